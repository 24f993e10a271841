"""Search with a blocking connection: `Searcher`, and `search()` on the settings of the process."""

import atexit
import os
from collections.abc import Sequence
from threading import Lock
from types import TracebackType
from typing import Any, Self, Unpack

from pymongo import MongoClient

from leafsearch.config import Settings
from leafsearch.config.command import settings
from leafsearch.search.hit import Hit
from leafsearch.search.query import Options, require_settings
from leafsearch.search.retrieval.context import Context
from leafsearch.search.session.ask import context_steps, search_many_steps, search_steps
from leafsearch.search.session.io import Result, Steps, perform
from leafsearch.search.session.session import Session, open_session
from leafsearch.vectors import Manifest, ManifestError, connect
from leafsearch.vectors.store import deployment_uri


class Searcher:
    """Keeps the student and the connection; safe to use from several threads.

    It reads all it needs from the manifest, so a query is never encoded with another model, or
    compressed differently, than the documents.
    """

    def __init__(self, client: MongoClient[Any], session: Session) -> None:
        self._client = client
        self._session = session

    @classmethod
    def open(
        cls, uri: str, settings: Settings | None = None, *, student: str | None = None
    ) -> Self:
        """`settings` name database and collection; a model or storage given there must agree.
        `student` encodes what names no other; by default the one that the manifest names.

        Raises DeploymentError, ManifestError, ModelError, or the SearchIndexError that says why
        the index cannot be searched.
        """
        settings = Settings() if settings is None else settings
        require_settings(settings)
        client = connect(uri)
        try:
            return cls(client, perform(open_session(settings, student), client[settings.database]))
        except BaseException:
            client.close()
            raise

    @property
    def manifest(self) -> Manifest:
        return self._session.opened.manifest

    def search(self, question: str, **options: Unpack[Options]) -> list[Hit]:
        """The `k` passages nearest to `question`, best first; for the options see search.Query.

        Raises QueryError, FilterError, SearchTimeout, NoHits, and a SearchIndexError where the
        server would return an empty list.
        """
        return self._perform(search_steps(self._session, question, options))

    def search_many(self, questions: Sequence[str], **options: Unpack[Options]) -> list[list[Hit]]:
        """The hits of each question; all are encoded together and searched side by side."""
        return self._perform(search_many_steps(self._session, questions, options))

    def context(self, question: str, max_tokens: int, **options: Unpack[Options]) -> Context:
        """The text that a language model should read to answer: hits in reading order, with
        sources.

        At most `max_tokens` of the student's tokens; a language model may count a few more.
        """
        return self._perform(context_steps(self._session, question, max_tokens, options))

    def reopen(self) -> None:
        """Read the manifest and load the student again, on the same connection.

        For a collection that was replaced by one with other models. Raises as `open` does.
        """
        self._session = self._perform(open_session(self._session.settings, self._session.student))

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _perform(self, steps: Steps[Result]) -> Result:
        return perform(steps, self._client[self._session.opened.database])


# The key has the process id too, since a connection does not survive a fork.
_open: dict[tuple[int, Settings], Searcher] = {}
_opening = Lock()


def search(
    question: str,
    *,
    collection: str | None = None,
    database: str | None = None,
    **options: Unpack[Options],
) -> list[Hit]:
    """The `k` passages nearest to `question`, best first; see Searcher.search.

    `collection` and `database` override LEAF_COLLECTION and LEAF_DATABASE. MONGODB_URI and the
    LEAF_ settings come from the environment and `.env`; without MONGODB_URI the local deployment
    is used, and started if needed. Connection and student are opened once per process and
    collection, and kept until the collection is replaced by one with other models.
    """
    searcher = _kept_searcher(settings(collection=collection, database=database))
    try:
        return searcher.search(question, **options)
    except ManifestError:
        searcher.reopen()
        return searcher.search(question, **options)


def _kept_searcher(chosen: Settings) -> Searcher:
    with _opening:
        key = (os.getpid(), chosen)
        if key not in _open:
            uri = deployment_uri(chosen, lambda line: None)
            _open[key] = Searcher.open(uri, chosen)
            atexit.register(_open[key].close)
        return _open[key]
