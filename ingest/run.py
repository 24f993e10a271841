"""One run, from an opened connection to what is printed at its end."""

from contextlib import closing
from typing import Any

from pymongo.database import Database

from config import Settings
from ingest.errors import SourceError
from ingest.files import NO_FILE
from ingest.mongodb_run import run_mongodb
from ingest.mongodb_source import MongoSource
from ingest.opening import open_target
from ingest.order import Order
from ingest.pipeline import Summary, ingest
from ingest.rejects import Rejects
from ingest.report import Display, as_object, as_text, progress
from ingest.saying import say
from ingest.sources import Corpus
from ingest.target import Target


def run(order: Order, chosen: Settings, database: Database[Any], *, as_json: bool) -> Summary:
    rejects = Rejects(order.rejects)
    with (
        closing(rejects),
        order.opened(database.client) as corpus,
        progress(corpus) as display,
    ):
        display.phase("opening the collection")
        target = open_target(database, chosen, order.choices)
        if isinstance(corpus, MongoSource):
            following = order.mongodb.follow
            summary = run_mongodb(
                corpus, target, rejects, display, following=following, wait=order.wait
            )
        else:
            summary = _run_files(corpus, target, rejects, display, wait=order.wait)
    print(as_object(summary, target) if as_json else as_text(summary, target))
    return summary


def _run_files(
    corpus: Corpus, target: Target, rejects: Rejects, display: Display, *, wait: float
) -> Summary:
    display.begin()
    summary = ingest(corpus.records(), target, rejects=rejects, told=display.step)
    _demand_documents(summary, corpus, rejects)
    target.ensure_index()
    _tell_what_was_left_out(summary, corpus, rejects)
    if wait:
        target.wait_until_ready(summary.last_written, seconds=wait, told=display.phase)
    return summary


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
