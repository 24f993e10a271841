"""Keeping up with a MongoDB source for as long as nobody ends it."""

import logging
from collections.abc import Callable

from ingest.mongodb.changes import Batch, Changes, HistoryLost
from ingest.mongodb.keeping import Keeper
from ingest.mongodb.source import MongoSource
from ingest.mongodb.stopping import Stop, Stopped
from vectors import DeploymentError
from vectors.patience import may_pass

log = logging.getLogger(__name__)

Said = Callable[[str], None]


def follow(
    source: MongoSource, keeper: Keeper, changes: Changes, stop: Stop, *, told: Said, say: Said
) -> None:
    """Until it is stopped, with the batch in flight finished; `told` hears how far it is.

    Raises SourceError if the source is dropped or renamed.
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
                    "again; what was deleted meanwhile is not known"
                )
                changes.close()
                changes = Changes(source)
                keeper.whole()
                continue
            if batch.ids:
                _apply(keeper, batch, stop)
                applied += len(batch.ids)
                told(f"following {source.name}: {applied:,} changes")
    except Stopped:
        pass  # asked for while nothing was being done
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
