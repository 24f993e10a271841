"""Follow the change stream of a MongoDB source until interrupted."""

import logging
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial

from leafsearch.ingest.pipeline.extent import Seen
from leafsearch.ingest.sources.mongodb.changes import Changes, HistoryLost, SourceEnded
from leafsearch.ingest.sources.mongodb.position import Position
from leafsearch.ingest.sources.mongodb.signals import Stop, StopRequested
from leafsearch.ingest.sources.mongodb.source import MongoSource
from leafsearch.ingest.sources.mongodb.sync import SourceSync
from leafsearch.vectors import DeploymentError
from leafsearch.vectors.store import is_transient

log = logging.getLogger(__name__)


def open_changes(source: MongoSource, position: Position) -> tuple[Changes, bool]:
    """The changes since `position`, or from now on; and whether earlier changes are lost."""
    position.read()
    if position.token is not None:
        with suppress(HistoryLost):
            return Changes(source, position.token), False
    changes = Changes(source)
    if not position.is_known:
        position.save(changes.token)
        return changes, False
    return changes, True


def follow(
    source: MongoSource,
    sync: SourceSync,
    changes: Changes,
    position: Position,
    stop: Stop,
    *,
    on_status: Callable[[str], None],
    say: Callable[[str], None],
) -> None:
    """Follow until stopped, finishing the batch in flight; calls `on_status` with the progress.

    Raises SourceEnded if the source is dropped or renamed, TargetError when searches have
    switched to another generation.
    """
    applied = 0
    try:
        while not stop.is_set:
            try:
                with stop.waiting():
                    batch = changes.batch()
            except HistoryLost:
                say(
                    f"{source.name} has changed more than its history holds: rereading all of "
                    "it and removing what is gone"
                )
                changes.close()
                changes = Changes(source)
                _patiently(partial(_read_again, sync, position, stop, say), sync, stop)
                if not stop.is_set:
                    position.save_if_answered(changes.token)
                continue
            if not batch.ids:
                with stop.waiting():
                    position.save_in_time(changes.token)
            else:
                _patiently(partial(sync.apply, batch), sync, stop)
                position.save_if_answered(changes.token)
                applied += len(batch.ids)
                on_status(f"following {source.name}: {applied:,} changes")
            _patiently(sync.look_in_time, sync, stop)
    except StopRequested:
        pass  # the signal came while it waited
    except SourceEnded:
        position.save_if_answered(None)  # no stream resumes after this
        raise
    finally:
        changes.close()


def _read_again(
    sync: SourceSync, position: Position, stop: Stop, say: Callable[[str], None]
) -> None:
    """Read the whole source, and remove what is gone from it."""
    with closing(Seen()) as seen:
        sync.whole(seen)
        sync.settle()
        if not stop.is_set:
            sync.remove_gone(seen, position, say)


def _patiently(work: Callable[[], None], sync: SourceSync, stop: Stop) -> None:
    """Retry while MongoDB is unreachable for longer than one retry budget.

    Raises StopRequested if it is unreachable when the follower has to end: the next start does what
    is left, since no position after it is saved.
    """
    while True:
        try:
            with stop.waiting(lambda: sync.is_waiting):
                return work()
        except DeploymentError as error:
            if not is_transient(error):
                raise
            if stop.is_set:
                raise StopRequested from error
            log.warning("%s; retrying", error)
            sync.reset_retries()
