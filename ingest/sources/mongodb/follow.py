"""Follow the change stream of a MongoDB source until interrupted."""

import logging
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial

from leafsearch.ingest.pipeline.extent import Seen
from leafsearch.ingest.sources.mongodb.changes import Changes, HistoryLost, SourceEnded
from leafsearch.ingest.sources.mongodb.position import Position
from leafsearch.ingest.sources.mongodb.signals import Stop, Stopped
from leafsearch.ingest.sources.mongodb.source import MongoSource
from leafsearch.ingest.sources.mongodb.sync import Keeper
from leafsearch.vectors import DeploymentError
from leafsearch.vectors.store import is_transient

log = logging.getLogger(__name__)

Said = Callable[[str], None]


def open_changes(source: MongoSource, position: Position) -> tuple[Changes, bool]:
    """What has changed since `position`, or from now on; whether changes before are lost."""
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
    keeper: Keeper,
    changes: Changes,
    position: Position,
    stop: Stop,
    *,
    told: Said,
    say: Said,
) -> None:
    """Until it is stopped, with the batch in flight finished; `told` hears how far it is.

    Raises SourceEnded if the source is dropped or renamed, TargetError when searches have moved to
    another generation.
    """
    applied = 0
    try:
        while not stop.is_set:
            try:
                with stop.waiting():
                    batch = changes.batch()
            except HistoryLost:
                say(
                    f"{source.name} has changed more than its history holds: all of it is read "
                    "again, and what is gone is removed"
                )
                changes.close()
                changes = Changes(source)
                _patiently(partial(_read_again, keeper, position, stop, say), keeper, stop)
                if not stop.is_set:
                    position.save_if_answered(changes.token)
                continue
            if not batch.ids:
                with stop.waiting():
                    position.save_in_time(changes.token)
            else:
                _patiently(partial(keeper.apply, batch), keeper, stop)
                position.save_if_answered(changes.token)
                applied += len(batch.ids)
                told(f"following {source.name}: {applied:,} changes")
            _patiently(keeper.look_in_time, keeper, stop)
    except Stopped:
        pass  # asked for while nothing was being done, or could be
    except SourceEnded:
        position.save_if_answered(None)  # behind this no stream goes on
        raise
    finally:
        changes.close()


def _read_again(keeper: Keeper, position: Position, stop: Stop, say: Said) -> None:
    """The whole source, and what is no longer in it is removed."""
    with closing(Seen()) as seen:
        keeper.whole(seen)
        keeper.settle()
        if not stop.is_set:
            keeper.remove_gone(seen, position, say)


def _patiently(work: Callable[[], None], keeper: Keeper, stop: Stop) -> None:
    """Again where MongoDB is away for longer than a single try waits.

    Raises Stopped if it is away when the follower is to end: what is done only in part, or not at
    all, is done after the next start, since no position behind it is saved.
    """
    while True:
        try:
            with stop.waiting(lambda: keeper.is_waiting):
                return work()
        except DeploymentError as error:
            if not is_transient(error):
                raise
            if stop.is_set:
                raise Stopped from error
            log.warning("%s; trying again", error)
            keeper.reset_retries()
