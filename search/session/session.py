"""A searcher's session: the open collection, replaced as a whole when searches switch generations.

A search that is under way goes on with what it began with, whose index exists until it is retired;
then the search begins again. So no question is encoded by one model and compared with the vectors
of another.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from threading import Lock
from typing import TypeAlias, TypeVar

from bson.binary import Binary

from leafsearch.config import LeafError, Settings
from leafsearch.search.query import Options
from leafsearch.search.session.io import Compute, Steps
from leafsearch.search.session.open import (
    GenerationSwitched,
    OpenCollection,
    load_for,
    look_up,
    open_collection,
    reopen_collection,
    require_student,
    usual_student,
)
from leafsearch.vectors import Encoder, Manifest, ModelRecord

log = logging.getLogger(__name__)

_TRUSTED_SECONDS = 60.0

Result = TypeVar("Result")
_Recorded: TypeAlias = tuple[ModelRecord, Binary | None]


class Session:
    """Safe to use from several threads: `opened` is read once by each search."""

    def __init__(
        self, settings: Settings, opened: OpenCollection, student: str | None = None
    ) -> None:
        self.opened = opened
        self.settings = settings
        self.student = student  # that encodes what names no other; None: see usual_student
        self._looking = Lock()
        self._loading = Lock()
        self._encoders: dict[_Recorded, Encoder] = {}
        if opened.student is not None:
            self._encoders[_recorded(opened.manifest, opened.student_name)] = opened.student

    def on_current(self, work: Callable[[OpenCollection], Steps[Result]]) -> Steps[Result]:
        """The result of `work`, begun once more if what it began with was retired meanwhile."""
        yield from self._look()
        begun = self.opened
        try:
            return (yield from work(begun))
        except GenerationSwitched:
            # Another thread may have been faster; one that merely looked up was not.
            if self.opened.manifest.generation == begun.manifest.generation:
                yield from self._move()
            return (yield from work(self.opened))

    def _look(self) -> Steps[None]:
        """Once a minute, by one search at a time; the others go on."""
        opened = self.opened
        if time.monotonic() - opened.seen <= _TRUSTED_SECONDS:
            return
        if not self._looking.acquire(blocking=False):
            return
        try:
            yield from self._renew(opened)
        finally:
            self._looking.release()

    def _renew(self, opened: OpenCollection) -> Steps[None]:
        try:
            now = yield from look_up(opened)
            self.opened = yield from self._with_student(opened, now)
        except GenerationSwitched:
            try:
                yield from self._move()
            except LeafError as error:
                # What is in use answers as long as it is not retired.
                opened.seen = time.monotonic()
                log.warning("still using the previous vectors: %s", error)

    def _with_student(self, known: OpenCollection, now: OpenCollection) -> Steps[OpenCollection]:
        """With the student that searches use now; the former one where that cannot be loaded."""
        if now.student is None:
            return now
        try:
            name = usual_student(now.manifest, self.settings, self.student, now.names)
            if _recorded(now.manifest, name) == _recorded(known.manifest, known.student_name):
                return replace(now, student_name=name)
            student = yield Compute(lambda: self._load(now.manifest, name))
        except LeafError as error:
            log.warning("still using the previous student: %s", error)
            return replace(now, manifest=known.manifest)
        return replace(now, student=student, student_name=name)

    def _move(self) -> Steps[None]:
        self.opened = yield from reopen_collection(self.settings, self._load, self.student)
        log.info("switched to generation %d", self.opened.manifest.generation)
        self._forget_others(self.opened.manifest)

    def look_for(self, student: object) -> Steps[None]:
        """Read the manifest again if it does not know this student, which may be new."""
        yield from self._look()
        opened = self.opened
        if isinstance(student, str) and opened.student and student not in opened.manifest.encoders:
            yield from self._renew(opened)

    def encoder(self, opened: OpenCollection, options: Options) -> Steps[Encoder | None]:
        """The student that encodes a query with these options; None where the server does.

        Raises QueryError, or ModelError.
        """
        name = options.get("student") or opened.student_name
        if opened.student is None or name == opened.student_name:
            return opened.student
        require_student(opened.manifest, name, opened.names)
        student: Encoder = yield Compute(lambda: self._load(opened.manifest, name))
        return student

    def _load(self, manifest: Manifest, name: str) -> Encoder:
        """Once for all threads; what only stores otherwise needs no other student."""
        with self._loading:
            recorded = _recorded(manifest, name)
            if recorded not in self._encoders:
                self._encoders[recorded] = load_for(manifest, name, self.settings)
            return self._encoders[recorded]

    def _forget_others(self, manifest: Manifest) -> None:
        known = {_recorded(manifest, name) for name in manifest.encoders}
        with self._loading:
            self._encoders = {r: e for r, e in self._encoders.items() if r in known}


def _recorded(manifest: Manifest, name: str) -> _Recorded:
    """What tells the models apart, in any generation."""
    record = manifest.encoders[name]
    return record.model, record.probe


def open_session(settings: Settings, student: str | None = None) -> Steps[Session]:
    """Raises as opening does."""
    return Session(settings, (yield from open_collection(settings, student)), student)
