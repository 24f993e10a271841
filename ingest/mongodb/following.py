"""Keeping up with a MongoDB source for as long as nobody ends it."""

import logging
from collections.abc import Callable
from contextlib import closing, suppress

from ingest.mongodb.changes import Batch, Changes, HistoryLost, SourceEnded
from ingest.mongodb.keeping import Keeper
from ingest.mongodb.position import Position
from ingest.mongodb.source import MongoSource
from ingest.mongodb.stopping import Stop, Stopped
from ingest.seen import Seen
from vectors import DeploymentError
from vectors.patience import may_pass

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
                with closing(Seen()) as seen:
                    keeper.whole(seen)
                    keeper.settle()
                    if not stop.is_set:
                        keeper.remove_gone(seen, position, say)
                        position.save(changes.token)
                continue
            if not batch.ids:
                position.save(changes.token, in_time=True)
            else:
                _apply(keeper, batch, stop)
                position.save(changes.token)
                applied += len(batch.ids)
                told(f"following {source.name}: {applied:,} changes")
    except Stopped:
        pass  # asked for while nothing was being done
    except SourceEnded:
        position.save(None)  # behind this no stream goes on
        raise
    finally:
        changes.close()


def _apply(keeper: Keeper, batch: Batch, stop: Stop) -> None:
    """Again where the target is away for longer than a single try waits."""
    while True:
        try:
            return keeper.apply(batch)
        except DeploymentError as error:
            if stop.is_set or not may_pass(error):
                raise
            log.warning("%s; trying again", error)
            keeper.patience.renew()
