"""One run, from an opened connection to what is printed at its end."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Any

from pymongo import timeout
from pymongo.database import Database

from config import Settings
from config.text import strip_controls
from ingest.corpus.sources import Corpus
from ingest.dry_run import run_dry
from ingest.files_run import run_files
from ingest.mongodb.run import run_mongodb
from ingest.mongodb.source import MongoSource
from ingest.opening import open_target
from ingest.order import Order
from ingest.peek import peek
from ingest.rebuild.moving import complete
from ingest.rebuild.rebuilding import open_rebuild, tell_generations_apart
from ingest.rejects import Rejects
from ingest.report import (
    Display,
    as_object,
    as_text,
    forecast_object,
    forecast_text,
    progress,
)
from ingest.seen import Seen
from ingest.summary import Summary
from ingest.target import Target
from vectors import DeploymentError
from vectors.patience import is_unanswered

_LEAVING = 2.0  # seconds


def run(order: Order, chosen: Settings, database: Database[Any], *, as_json: bool) -> int:
    """How many records were rejected."""
    rejects = Rejects(order.rejects)
    with (
        closing(rejects),
        closing(Seen()) as seen,
        order.opened(database.client) as corpus,
        progress(corpus) as display,
        ExitStack() as at_the_end,
    ):
        peek(corpus, order, rejects)
        display.phase("opening the collection")
        opened = open_rebuild if order.rebuild else open_target
        patience = order.patience
        told = display.phase
        target = patience.ask(lambda: opened(database, chosen, order.choices, patience, told))
        at_the_end.callback(target.close)
        if order.dry_run:
            done = run_dry(order, corpus, target, rejects, display, seen)
            shown = forecast_object(done, target) if as_json else forecast_text(done, target)
            rejected = done.rejected
        else:
            summary = _done(order, corpus, target, rejects, display, seen)
            shown = as_object(summary, target) if as_json else as_text(summary, target)
            rejected = summary.rejected
    print(strip_controls(shown))
    return rejected


def _done(
    order: Order,
    corpus: Corpus | MongoSource,
    target: Target,
    rejects: Rejects,
    display: Display,
    seen: Seen,
) -> Summary:
    mongo = target.collection.mongo
    if order.rebuild:
        order.patience.ask(lambda: tell_generations_apart(mongo.database, mongo.name))
    if isinstance(corpus, MongoSource):
        summary = run_mongodb(corpus, target, rejects, display, seen, order)
    else:
        summary = run_files(corpus, target, rejects, display, seen, order)

    def end() -> None:
        complete(order, mongo.database, target, summary, told=display.phase)

    if order.mongodb.follow:
        _unless_away(lambda: order.patience.ask(end))
    else:
        order.patience.ask(end)
    return summary


def _unless_away(work: Callable[[], None]) -> None:
    """A follower ends because it was stopped, and waits for no MongoDB then."""
    try:
        with timeout(_LEAVING):
            work()
    except DeploymentError as error:
        if not is_unanswered(error):
            raise
