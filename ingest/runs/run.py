"""One run, from an opened connection to what is printed at its end; dry, if that is asked for."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Any

from pymongo import timeout
from pymongo.database import Database

from leafsearch.config import Settings
from leafsearch.config.text import strip_controls
from leafsearch.ingest.cli.console import say, say_rejects, say_remarks
from leafsearch.ingest.cli.report import (
    as_object,
    as_text,
    forecast_object,
    forecast_text,
    progress,
)
from leafsearch.ingest.cli.request import IngestRequest
from leafsearch.ingest.errors import TargetError
from leafsearch.ingest.generations.build import open_rebuild, tell_generations_apart
from leafsearch.ingest.generations.report import complete
from leafsearch.ingest.pipeline.extent import Seen
from leafsearch.ingest.pipeline.read import Reader
from leafsearch.ingest.pipeline.rejects import Rejects
from leafsearch.ingest.pipeline.stats import Summary, Tally
from leafsearch.ingest.runs.context import RunContext
from leafsearch.ingest.runs.files import (
    report_columns,
    report_skipped,
    require_documents,
    run_files,
)
from leafsearch.ingest.runs.forecast import Forecast, forecast, peek
from leafsearch.ingest.runs.mongodb import require_another, require_any, run_mongodb
from leafsearch.ingest.runs.prune import Pruning
from leafsearch.ingest.sources.files.corpus import Corpus
from leafsearch.ingest.sources.mongodb.source import MongoSource
from leafsearch.ingest.target.open import open_target
from leafsearch.ingest.target.room import require_index_room
from leafsearch.vectors import DeploymentError
from leafsearch.vectors.store import is_unanswered

_LEAVING = 2.0  # seconds


def run(order: IngestRequest, chosen: Settings, database: Database[Any], *, as_json: bool) -> int:
    """Run what the order asks for and print its summary; returns the number of rejected records."""
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
        retries.run(
            lambda: require_index_room(
                database,
                chosen.collection,
                hybrid=order.choices.has_words,
                rebuild=order.rebuild,
                may_try=not order.dry_run,
            )
        )
        target = retries.run(
            lambda: opened(database, chosen, order.choices, retries, display.phase)
        )
        at_the_end.callback(target.close)
        context = RunContext(order, target, rejects, display, seen)
        if order.dry_run:
            expected = _run_dry(corpus, context)
            types = _column_types(corpus)
            shown = (
                forecast_object(expected, target, types)
                if as_json
                else forecast_text(expected, target)
            )
            rejected = expected.rejected
        else:
            summary = _run(corpus, context)
            types = _column_types(corpus)
            shown = as_object(summary, target, types) if as_json else as_text(summary, target)
            rejected = summary.rejected
    print(strip_controls(shown))
    return rejected


def _column_types(corpus: Corpus | MongoSource) -> dict[str, Any]:
    return corpus.columns.as_object() if isinstance(corpus, Corpus) else {}


def _run(corpus: Corpus | MongoSource, run: RunContext) -> Summary:
    order, target = run.order, run.target
    mongo = target.collection.mongo
    if order.rebuild:
        order.retries.run(lambda: tell_generations_apart(mongo.database, mongo.name))
    if isinstance(corpus, MongoSource):
        summary = run_mongodb(corpus, run)
    else:
        summary = run_files(corpus, run)

    for reason in filter(None, (target.form_reason, target.analyzer_reason)):
        say(reason)

    def end() -> None:
        complete(order, mongo.database, target, summary, on_status=run.display.phase)

    if order.mongodb.follow:
        _unless_away(lambda: order.retries.run(end))
    else:
        order.retries.run(end)
    return summary


def _unless_away(work: Callable[[], None]) -> None:
    """A follower ends because it was stopped, and then does not wait for a MongoDB that is away."""
    try:
        with timeout(_LEAVING):
            work()
    except DeploymentError as error:
        if not is_unanswered(error):
            raise


def _run_dry(corpus: Corpus | MongoSource, run: RunContext) -> Forecast:
    """Write nothing: read, chunk and compare everything, and encode a sample.

    Raises what the run would raise, except what only writing can find.
    """
    order, target = run.order, run.target
    if isinstance(corpus, MongoSource):
        corpus.begin(target.manifest)
        require_another(corpus, target)
    run.rejects.begin()
    run.display.begin()
    tally = Tally(run.display.step)
    reading = Reader(corpus.records(), run.rejects, tally, run.seen, run.extent, run.remarks)
    expected = forecast(reading, target)
    if order.prune:
        pruning = Pruning(target, corpus.names, run.seen, order.shard)
        expected.documents_pruned = sum(1 for _ in pruning.gone())
        if not order.yes:
            _report_refusal(pruning, tally.summary)
    elif isinstance(corpus, MongoSource):
        require_any(expected.documents, corpus, run)
    else:
        require_documents(expected.documents, corpus, run)
    if isinstance(corpus, Corpus):
        report_skipped(corpus)
        report_columns(corpus)
    say_remarks(run.remarks)
    say_rejects(run.rejects)
    return expected


def _report_refusal(pruning: Pruning, read: Summary) -> None:
    try:
        pruning.require_safety(read)
    except TargetError as refusal:
        say(str(refusal))
