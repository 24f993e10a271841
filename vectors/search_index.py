"""A search index of a collection: create it, wait for it, know why it cannot be used.

It is checked before it is relied on, because the server answers a search on a missing or misspelt
index with an empty result and no error.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from pymongo.collection import Collection as MongoCollection
from pymongo.errors import OperationFailure
from pymongo.operations import SearchIndexModel

from leafsearch.vectors.connection import explained
from leafsearch.vectors.errors import IndexNotReady, SearchIndexError
from leafsearch.vectors.index import same_index
from leafsearch.vectors.index_spec import IndexSpec
from leafsearch.vectors.patience import Patience

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0  # seconds between two looks
_ALREADY_THERE = 68
_DEAD = ("FAILED", "STALE")

Told = Callable[[str], None]


class SearchIndex:
    def __init__(self, mongo: MongoCollection[Any], spec: IndexSpec) -> None:
        self._mongo = mongo
        self.spec = spec

    def ensure(self) -> None:
        """Create it, or update it to new filter paths; does not wait."""
        with explained():
            found = self.spec.find(self._mongo.list_search_indexes())
            if found is None:
                self._create()
            elif not same_index(self.spec.definition, found.get("latestDefinition", {})):
                self._update()

    def remake(self, *, seconds: float) -> bool:
        """Make it again where the server gave it up, and bring it in line; whether that was
        needed. Raises IndexNotReady where an old one is not gone after `seconds`."""
        with explained():
            found = self.spec.find(self._mongo.list_search_indexes())
            is_dead = found is not None and found.get("status") in _DEAD
            if is_dead:
                self._drop(seconds=seconds)
        try:
            self.check()
        except IndexNotReady:
            return is_dead
        except SearchIndexError:
            self.ensure()
            return True
        return is_dead

    def _drop(self, *, seconds: float) -> None:
        self._mongo.drop_search_index(self.spec.name)
        deadline = time.monotonic() + seconds
        while self.spec.find(self._mongo.list_search_indexes()) is not None:
            if time.monotonic() > deadline:
                raise IndexNotReady(
                    f"search index {self.spec.name!r} of {self.spec.collection} is not gone yet "
                    f"(waited {seconds:.0f} s; see --wait); run this again in a moment"
                )
            time.sleep(_FIRST_PAUSE)

    def check(self, *, ready: bool = False) -> None:
        """See IndexSpec.judge."""
        with explained():
            self.spec.judge(self._mongo.list_search_indexes(), ready=ready)

    def demand_no_failure(self) -> None:
        """See IndexSpec.demand_no_failure."""
        with explained():
            self.spec.demand_no_failure(self._mongo.list_search_indexes())

    def _create(self) -> None:
        spec = self.spec
        model = SearchIndexModel(dict(spec.definition), spec.name, spec.type)
        try:
            self._mongo.create_search_index(model)
        except OperationFailure as error:
            if error.code != _ALREADY_THERE:
                raise
            self._update()  # another ingest has just made it, with other filter paths

    def _update(self) -> None:
        self._mongo.update_search_index(self.spec.name, dict(self.spec.definition))


def wait_for(
    indexes: Sequence[SearchIndex],
    *,
    seconds: float,
    told: Told = lambda status: None,
    patience: Patience | None = None,
) -> None:
    """Until all are READY with the wanted definition; `told` hears each new status.

    Raises IndexFailed, IndexDiffers or IndexMissing at once, IndexNotReady after `seconds`.
    """
    patience = patience or Patience()
    deadline, pause, last = time.monotonic() + seconds, _FIRST_PAUSE, ""
    while status := patience.ask(lambda: _late(indexes)):
        if status != last:
            told(status)
            last = status
        if time.monotonic() + pause > deadline:
            raise IndexNotReady(f"{status} (waited {seconds:.0f} s; see --wait)")
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def demand_search(mongo: MongoCollection[Any]) -> None:
    """Raises DeploymentError if there is no search process; the collection need not exist."""
    with explained():
        list(mongo.list_search_indexes())


def _late(indexes: Sequence[SearchIndex]) -> str:
    """What the first that is not READY says; all are looked at, because a later may have failed."""
    late = []
    for index in indexes:
        try:
            index.check(ready=True)
        except IndexNotReady as error:
            late.append(str(error))
    return late[0] if late else ""
