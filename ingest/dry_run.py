"""A run that writes nothing: all is read, cut and compared, and a sample is encoded."""

from ingest.corpus.sources import Corpus
from ingest.errors import TargetError
from ingest.files_run import demand_documents, tell_what_was_left_out
from ingest.forecast import Forecast, forecast
from ingest.mongodb.run import demand_another, demand_any
from ingest.mongodb.source import MongoSource
from ingest.order import Order
from ingest.pruning import Pruning
from ingest.reading import Reading
from ingest.rejects import Rejects
from ingest.report import Display
from ingest.saying import say, say_rejects
from ingest.seen import Seen
from ingest.summary import Summary, Tally
from ingest.target import Target


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
