"""The end of a run beside which others have written: it looks again, and mends what they undid.

All runs that end well have written nothing after the look that found all as they claim it. So the
collection is what they would have made one after another, in the order of these looks.
"""

import random
import time
from collections.abc import Callable
from itertools import islice

from leafsearch.ingest.errors import OverlapError
from leafsearch.ingest.target.target import Target

_ROUNDS = 5
_PAUSE = 1.0  # seconds at most, so that of two runs that undo each other one is faster
_MOST = 200_000  # documents that are mended, since their ids are held in memory

Lost = set[str]


def settle_overlap(
    target: Target,
    mend: Callable[[Lost], None],
    *,
    leftover: Callable[[], bool] | None = None,
) -> None:
    """Look at what the run claims until all of it is there, unless no other run was active.

    `mend` writes what is lost of it once more, and removes what `leftover` finds. Raises
    OverlapError where other runs do not cease to undo it.
    """
    for left in reversed(range(_ROUNDS)):
        collection = target.collection
        outrun, collection.outrun = collection.outrun, set()
        alone = target.registration.was_alone()
        if alone and not outrun:
            return
        if not alone:
            target.demand_generation()
        lost = outrun if alone else outrun | set(islice(target.claims.broken(collection), _MOST))
        if not lost and (alone or leftover is None or not leftover()):
            return
        if not left or len(lost) >= _MOST:
            raise overlapped(lost, target)
        time.sleep(random.uniform(0, _PAUSE))
        target.claims.renew(lost)
        mend(lost)


def overlapped(lost: Lost, target: Target) -> OverlapError:
    some = ", ".join(sorted(lost)[:3]) + (", ..." if len(lost) > 3 else "")
    what = f"{len(lost)} documents ({some})" if lost else "documents that --prune removes"
    return OverlapError(
        f"collection {target.collection.mongo.full_name}: another run wrote {what} at the same "
        "time; expected what this run wrote. Run this again when the other has ended"
    )
