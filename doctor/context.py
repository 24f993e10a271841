"""What is known about the collection under examination, and the commands that a finding recommends.

A check learns facts that later checks need. Reading a fact that was not learnt raises Unknown, so a
check that depends on it is skipped, with the reason, and the others go on.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import ExecutionTimeout

from leafsearch.config import Settings
from leafsearch.config.hint import Names, hint, ingest_hint, rebuild_hint
from leafsearch.doctor.index import IndexEntry
from leafsearch.doctor.sample import EncodedText, Sample
from leafsearch.doctor.searches import Probe
from leafsearch.vectors import Encoder, Manifest, explain_errors
from leafsearch.vectors.store import Generations, Transform

T = TypeVar("T")

# One bad date or string must not end the examination.
_TOLERANT: CodecOptions[dict[str, Any]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    unicode_decode_error_handler="replace",
)


class Unknown(Exception):
    """An earlier check did not learn this fact; the message names the check."""


class OutOfTime(Exception):
    """The time limit of the whole examination has passed."""


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What to examine, and how much time to spend.

    `path`, `index` and `text_field` are for collections without a manifest, or to examine others
    than the manifest names.
    """

    uri: str
    settings: Settings
    path: str | None = None
    index: str | None = None
    text_field: str | None = None
    num_candidates: int | None = None  # of the judged searches; None is leaf-search's default
    sample: int = 1000
    queries: int = 10
    seconds: float = 60.0


class Fact(Generic[T]):
    """An attribute of Case that the check `learnt_by` sets."""

    def __init__(self, learnt_by: str) -> None:
        self._learnt_by = learnt_by

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, case: None, owner: type) -> "Fact[T]": ...
    @overload
    def __get__(self, case: "Case", owner: type) -> T: ...
    def __get__(self, case: "Case | None", owner: type) -> "Fact[T] | T":
        if case is None:
            return self
        if self._name not in vars(case):
            raise Unknown(f"not checked, because of `{self._learnt_by}` above")
        value: T = vars(case)[self._name]
        return value

    def __set__(self, case: "Case", value: T) -> None:
        vars(case)[self._name] = value


class Case:
    client = Fact[MongoClient[dict[str, Any]]]("connection")
    listed = Fact[Sequence[Mapping[str, Any]]]("search")  # what $listSearchIndexes gives
    documents = Fact[int]("collection")  # an estimate
    manifest = Fact[Manifest | None]("manifest")
    generations = Fact[Generations]("manifest")  # if there is a good manifest
    transform = Fact[Transform]("transform")  # if the manifest names one, and its matrix is sound
    path = Fact[str]("index")
    index = Fact[IndexEntry]("index")
    sample = Fact[Sample]("vectors")
    readable = Fact[Sample]("vector type")  # the sample, if it holds any vector
    passages = Fact[Sequence[EncodedText]]("texts")
    teacher = Fact[Encoder]("teacher")
    probes = Fact[Sequence[Probe]]("hits")

    def __init__(self, order: Examination) -> None:
        self.order = order
        self.others = 0  # documents of other generations than the examined one
        self.other_model = False  # whether the vectors are not the teacher's
        self._deadline = time.monotonic() + order.seconds

    def knows(self, fact: Fact[T]) -> T | None:
        """The fact, or None if it was not learnt."""
        try:
            return fact.__get__(self, Case)
        except Unknown:
            return None

    @property
    def mongo(self) -> Collection[dict[str, Any]]:
        name = self.order.settings
        return self.client[name.database].get_collection(name.collection, codec_options=_TOLERANT)

    @property
    def full_name(self) -> str:
        return f"{self.order.settings.database}.{self.order.settings.collection}"

    @property
    def chosen(self) -> Mapping[str, Any]:
        """Matches the examined documents, if documents of other generations lie beside them."""
        return self.manifest.chosen if self.others and self.manifest else {}

    def aggregate(self, *pipeline: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Raises OutOfTime, or DeploymentError."""
        return self.run(pipeline)

    def run(self, pipeline: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        with explain_errors():
            try:
                return list(self.mongo.aggregate(list(pipeline), maxTimeMS=self.left_ms()))
            except ExecutionTimeout as error:
                raise OutOfTime from error

    def left_ms(self) -> int:
        """What is left of the time limit; raises OutOfTime if nothing is."""
        left = int((self._deadline - time.monotonic()) * 1000)
        if left <= 0:
            raise OutOfTime
        return left

    def close(self) -> None:
        if client := self.knows(Case.client):
            client.close()


def repair(case: Case, *more: str) -> str:
    return hint("leaf-ingest", "repair", *more, **names(case))


def retire(case: Case) -> str:
    return hint("leaf-ingest", "retire", **names(case))


def ingest(case: Case, *more: str) -> str:
    """The command that ingests; for vectors in place, the collection itself is its source."""
    return ingest_hint(*more, **names(case), in_place=is_in_place(case))


def rebuild(case: Case, *more: str) -> str:
    return rebuild_hint(*more, **names(case), in_place=is_in_place(case))


def examine(case: Case, *changes: str) -> str:
    """The doctor again, with other options."""
    return hint("leaf-search doctor", *changes, **names(case), whole=True)


def encode_again(case: Case, *more: str, otherwise: str) -> str:
    """What to do about faulty vectors; `otherwise`, where another program wrote them."""
    if case.knows(Case.manifest) is None:
        return otherwise
    return f"{repair(case, *more)} encodes them again"


def is_in_place(case: Case) -> bool:
    manifest = case.knows(Case.manifest)
    return manifest is not None and manifest.layout == "in_place"


def names(case: Case) -> Names:
    settings = case.order.settings
    return {"database": settings.database, "collection": settings.collection}
