"""One run, from an opened connection to what is printed at its end."""

from contextlib import closing
from typing import Any

from pymongo.database import Database

from config import Settings
from ingest.errors import SourceError
from ingest.files import NO_FILE
from ingest.forecast import forecast
from ingest.moving import complete, say
from ingest.opening import open_target
from ingest.order import Order
from ingest.pipeline import ingest
from ingest.pruning import Pruning
from ingest.reading import Reading
from ingest.rebuilding import open_rebuild
from ingest.rejects import Rejects
from ingest.report import as_object, as_text, forecast_object, forecast_text, progress
from ingest.seen import Seen
from ingest.sources import Corpus
from ingest.summary import Summary, Tally
from ingest.target import Target


def run(order: Order, chosen: Settings, database: Database[Any], *, as_json: bool) -> int:
    """How many records were rejected."""
    corpus, rejects = order.corpus(), Rejects(order.rejects)
    with closing(rejects), closing(Seen()) as seen, progress(corpus) as display:
        display.phase("opening the collection")
        opened = open_rebuild if order.rebuild else open_target
        target = opened(database, chosen, order.choices)
        display.begin()
        if order.dry_run:
            return _foretell(order, corpus, target, seen, rejects, as_json=as_json)
        summary = ingest(
            corpus.records(),
            target,
            rejects=rejects,
            told=display.step,
            shard=order.shard,
            most_rejects=order.max_rejects,
            seen=seen,
        )
        if order.prune:
            pruning = Pruning(target, corpus.names, seen, order.shard)
            if not order.yes:
                pruning.demand_safety(summary)
            pruning.remove(summary)
        else:
            _demand_documents(summary, corpus, rejects)
        target.ensure_index()
        _tell_what_was_left_out(summary, corpus, rejects)
        if order.wait and not order.rebuild:
            target.wait_until_ready(summary.last_written, seconds=order.wait, told=display.phase)
        complete(order, database, target, summary, told=display.phase)
    print(as_object(summary, target) if as_json else as_text(summary, target))
    return summary.rejected


def _foretell(
    order: Order,
    corpus: Corpus,
    target: Target,
    seen: Seen,
    rejects: Rejects,
    *,
    as_json: bool,
) -> int:
    rejects.begin()
    records = corpus.records()
    reading = Reading(records, seen, rejects, Tally(), order.shard, order.max_rejects)
    told = forecast(reading, target)
    if order.prune:
        pruning = Pruning(target, corpus.names, seen, order.shard)
        told.documents_pruned = sum(1 for _ in pruning.gone())
    print(forecast_object(told, target) if as_json else forecast_text(told, target))
    return told.rejected


def _demand_documents(summary: Summary, corpus: Corpus, rejects: Rejects) -> None:
    if summary.documents:
        return
    if rejects.count:
        raise SourceError(
            f"all {rejects.count} records were rejected, nothing was written; see {rejects.path}"
        )
    ignored = f" (only other kinds: {' '.join(sorted(corpus.ignored))})" if corpus.ignored else ""
    raise SourceError(f"no documents in {' '.join(corpus.paths)}{ignored}; nothing was written")


def _tell_what_was_left_out(summary: Summary, corpus: Corpus, rejects: Rejects) -> None:
    for ending, count in sorted(corpus.ignored.items()):
        if ending == NO_FILE:
            say(f"left out {count} that are {NO_FILE}: pipes, sockets, devices")
        else:
            say(f"left out {count} files of another kind ({ending}); --format reads them all")
    if summary.rejected:
        say(f"{summary.rejected} records were rejected; see {rejects.path}")
