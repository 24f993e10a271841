"""A searcher's session: the open collection, replaced as a whole when searches switch generations.

A search that is under way goes on with what it began with, whose index exists until it is retired;
then the search begins again. So no question is encoded by one model and compared with the vectors
of another.
"""

import logging
import time
from collections.abc import Callable
from threading import Lock
from typing import TypeVar

from leafsearch.config import LeafError, Settings
from leafsearch.search.session.io import Steps
from leafsearch.search.session.open import (
    GenerationSwitched,
    OpenCollection,
    load_for,
    look_up,
    open_collection,
    reopen_collection,
)
from leafsearch.vectors import Encoder, Manifest

log = logging.getLogger(__name__)

_TRUSTED_SECONDS = 60.0

Result = TypeVar("Result")


class Session:
    """Safe to use from several threads: `opened` is read once by each search."""

    def __init__(self, settings: Settings, opened: OpenCollection) -> None:
        self.opened = opened
        self.settings = settings
        self._looking = Lock()
        self._loading = Lock()
        self._student: tuple[Manifest, Encoder | None] = (opened.manifest, opened.student)

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
            self.opened = yield from look_up(opened)
        except GenerationSwitched:
            try:
                yield from self._move()
            except LeafError as error:
                # What is in use answers as long as it is not retired.
                opened.seen = time.monotonic()
                log.warning("still using the previous vectors: %s", error)

    def _move(self) -> Steps[None]:
        self.opened = yield from reopen_collection(self.settings, self._load)
        log.info("switched to generation %d", self.opened.manifest.generation)

    def _load(self, manifest: Manifest) -> Encoder:
        """Once for all threads; what only stores otherwise needs no other student."""
        with self._loading:
            known, student = self._student
            models = (manifest.student, manifest.probe)
            if student is None or (known.student, known.probe) != models:
                student = load_for(manifest, self.settings)
            self._student = (manifest, student)
            return student


def open_session(settings: Settings) -> Steps[Session]:
    """Raises as opening does."""
    return Session(settings, (yield from open_collection(settings)))
