"""One run, from an opened connection to what is printed at its end."""

from contextlib import ExitStack, closing
from typing import Any

from pymongo.database import Database

from config import Settings
from ingest.files_run import run_files
from ingest.forecast import Forecast, forecast
from ingest.mongodb_run import run_mongodb
from ingest.mongodb_source import MongoSource
from ingest.moving import complete
from ingest.opening import open_target
from ingest.order import Order
from ingest.pruning import Pruning
from ingest.reading import Reading
from ingest.rebuilding import open_rebuild
from ingest.rejects import Rejects
from ingest.report import as_object, as_text, forecast_object, forecast_text, progress
from ingest.seen import Seen
from ingest.sources import Corpus
from ingest.summary import Tally
from ingest.target import Target


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
        display.phase("opening the collection")
        opened = open_rebuild if order.rebuild else open_target
        patience = order.patience
        target = patience.ask(lambda: opened(database, chosen, order.choices, patience))
        at_the_end.callback(target.close)
        if order.dry_run:
            told = _foretold(order, corpus, target, rejects, seen)
            print(forecast_object(told, target) if as_json else forecast_text(told, target))
            return told.rejected
        if isinstance(corpus, MongoSource):
            summary = run_mongodb(corpus, target, rejects, display, seen, order)
        else:
            summary = run_files(corpus, target, rejects, display, seen, order)
        patience.ask(lambda: complete(order, database, target, summary, told=display.phase))
    print(as_object(summary, target) if as_json else as_text(summary, target))
    return summary.rejected


def _foretold(
    order: Order, corpus: Corpus | MongoSource, target: Target, rejects: Rejects, seen: Seen
) -> Forecast:
    if isinstance(corpus, MongoSource):
        corpus.begin(target.manifest)
    rejects.begin()
    reading = Reading(corpus.records(), rejects, Tally(), seen, order.extent(seen))
    told = forecast(reading, target)
    if order.prune:
        pruning = Pruning(target, corpus.names, seen, order.shard)
        told.documents_pruned = sum(1 for _ in pruning.gone())
    return told
