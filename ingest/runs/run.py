"""One run, from an opened connection to what is printed at its end."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Any

from pymongo import timeout
from pymongo.database import Database

from leafsearch.config import Settings
from leafsearch.config.text import strip_controls
from leafsearch.ingest.cli.report import (
    Display,
    as_object,
    as_text,
    forecast_object,
    forecast_text,
    progress,
)
from leafsearch.ingest.cli.request import Order
from leafsearch.ingest.generations.build import open_rebuild, tell_generations_apart
from leafsearch.ingest.generations.report import complete
from leafsearch.ingest.pipeline.rejects import Rejects
from leafsearch.ingest.pipeline.seen_ids import Seen
from leafsearch.ingest.pipeline.stats import Summary
from leafsearch.ingest.runs.dry_run import run_dry
from leafsearch.ingest.runs.files import run_files
from leafsearch.ingest.runs.peek import peek
from leafsearch.ingest.sources.files.sources import Corpus
from leafsearch.ingest.sources.mongodb.run import run_mongodb
from leafsearch.ingest.sources.mongodb.source import MongoSource
from leafsearch.ingest.target.open import open_target
from leafsearch.ingest.target.target import Target
from leafsearch.vectors import DeploymentError
from leafsearch.vectors.store.retry import is_unanswered

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
        retries = order.retries
        told = display.phase
        target = retries.run(lambda: opened(database, chosen, order.choices, retries, told))
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
        order.retries.run(lambda: tell_generations_apart(mongo.database, mongo.name))
    if isinstance(corpus, MongoSource):
        summary = run_mongodb(corpus, target, rejects, display, seen, order)
    else:
        summary = run_files(corpus, target, rejects, display, seen, order)

    def end() -> None:
        complete(order, mongo.database, target, summary, told=display.phase)

    if order.mongodb.follow:
        _unless_away(lambda: order.retries.run(end))
    else:
        order.retries.run(end)
    return summary


def _unless_away(work: Callable[[], None]) -> None:
    """A follower ends because it was stopped, and waits for no MongoDB then."""
    try:
        with timeout(_LEAVING):
            work()
    except DeploymentError as error:
        if not is_unanswered(error):
            raise
