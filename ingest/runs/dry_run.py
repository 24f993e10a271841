"""A run that writes nothing: all is read, cut and compared, and a sample is encoded."""

from leafsearch.ingest.cli.console import say, say_rejects
from leafsearch.ingest.cli.report import Display
from leafsearch.ingest.cli.request import Order
from leafsearch.ingest.errors import TargetError
from leafsearch.ingest.pipeline.read import Reading
from leafsearch.ingest.pipeline.rejects import Rejects
from leafsearch.ingest.pipeline.seen_ids import Seen
from leafsearch.ingest.pipeline.stats import Summary, Tally
from leafsearch.ingest.runs.files import demand_documents, tell_what_was_left_out
from leafsearch.ingest.runs.forecast import Forecast, forecast
from leafsearch.ingest.runs.prune import Pruning
from leafsearch.ingest.sources.files.sources import Corpus
from leafsearch.ingest.sources.mongodb.run import demand_another, demand_any
from leafsearch.ingest.sources.mongodb.source import MongoSource
from leafsearch.ingest.target.target import Target


def run_dry(
    order: Order,
    corpus: Corpus | MongoSource,
    target: Target,
    rejects: Rejects,
    display: Display,
    seen: Seen,
) -> Forecast:
    """Raises what the run would raise, but for what only writing can tell."""
    if isinstance(corpus, MongoSource):
        corpus.begin(target.manifest)
        demand_another(corpus, target)
    rejects.begin()
    display.begin()
    records = corpus.records()
    tally = Tally(display.step)
    told = forecast(Reading(records, rejects, tally, seen, order.extent(seen)), target)
    if order.prune:
        pruning = Pruning(target, corpus.names, seen, order.shard)
        told.documents_pruned = sum(1 for _ in pruning.gone())
        if not order.yes:
            _tell_refusal(pruning, tally.summary)
    elif isinstance(corpus, MongoSource):
        demand_any(told.documents, corpus, rejects, seen, order)
    else:
        demand_documents(told.documents, corpus, rejects, seen, order)
    if isinstance(corpus, Corpus):
        tell_what_was_left_out(corpus)
    say_rejects(rejects)
    return told


def _tell_refusal(pruning: Pruning, read: Summary) -> None:
    try:
        pruning.demand_safety(read)
    except TargetError as refusal:
        say(str(refusal))
