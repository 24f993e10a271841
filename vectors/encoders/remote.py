"""An encoder behind HTTP: text-embeddings-inference, or anything with OpenAI's embeddings.

Its name is a URL whose fragment names the model, by hub name or folder, for tokenizer and prompts:

    https://encoder.example/embed#mixedbread-ai/mxbai-embed-large-v1
    https://encoder.example/v1/embeddings#MongoDB/mdbr-leaf-mt

A server that is busy or away for a while is asked again, as it says itself in `Retry-After` or with
growing pauses: for documents as long as for MongoDB, for queries a few seconds.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from email.utils import parsedate_to_datetime
from functools import partial
from itertools import islice
from threading import Event
from typing import Any
from urllib.parse import urldefrag, urlsplit

import httpx2
import numpy as np
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    sleep_using_event,
    wait_exponential_jitter,
)

from leafsearch.config.text import shorten
from leafsearch.vectors.encoders.base import RETRY_SECONDS, Rows, in_order, unit_rows
from leafsearch.vectors.encoders.model_files import ModelFiles
from leafsearch.vectors.errors import ModelError

log = logging.getLogger(__name__)

_SECONDS = 60.0  # for one answer
_QUERY_SECONDS = 10.0  # for a query, tries and pauses together: somebody waits for it
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
# Too slow, too early, too many, and what a proxy says of a server that restarts.
_PASSING = frozenset({408, 425, 429, 502, 503, 504})
_REQUESTS = 4  # at once
_BATCH = 32  # the usual limit of a text-embeddings-inference server
_PROBE = "dimensions"


class RemoteEncoder:
    encode_precision = None  # the server's own

    def __init__(
        self, name: str, model: ModelFiles, key: str | None, retry_for: float = RETRY_SECONDS
    ) -> None:
        """`retry_for`: seconds for which documents are asked for again.

        Raises ModelError if the server does not answer with vectors.
        """
        self._retry_for = retry_for
        self._has_answered = False
        self.name = name
        self._url = urldefrag(name).url
        self._model = model.name
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        transport = httpx2.HTTPTransport(retries=2)
        self._client = httpx2.Client(headers=headers, timeout=_SECONDS, transport=transport)
        self.tokenizer = model.tokenizer()
        self.max_tokens = model.max_tokens()
        self.query_prompt = model.prompt("query")
        self.document_prompt = model.prompt("document", "passage", "corpus")
        self.revision = model.revision
        self.dimensions = len(self._retried([_PROBE], retry_for, Event())[0])
        self._has_answered = True

    @classmethod
    def open(
        cls, name: str, *, revision: str | None, key: str | None, retry_for: float = RETRY_SECONDS
    ) -> "RemoteEncoder":
        address, model = urldefrag(name)
        parts = urlsplit(address)
        if not model or not parts.path.endswith(("/embed", "/embeddings")):
            raise ModelError(
                f"model {_shown(name)}: expected https://HOST/embed#MODEL or "
                "https://HOST/v1/embeddings#MODEL, where MODEL names tokenizer and prompts"
            )
        if parts.username or parts.password:
            raise ModelError(
                f"model {_shown(name)}: a key in the URL would be stored with the collection; give "
                "it as LEAF_API_KEY"
            )
        return cls(name, ModelFiles.find(model, revision=revision), key, retry_for)

    def encode_documents(self, texts: Sequence[str]) -> Rows:
        return in_order(self.document_batches(texts), len(texts), self.dimensions)

    def document_batches(self, texts: Sequence[str]) -> Iterator[tuple[Sequence[int], Rows]]:
        return self._encoded(texts, self.document_prompt, self._retry_for)

    def encode_queries(self, texts: Sequence[str]) -> Rows:
        seconds = min(_QUERY_SECONDS, self._retry_for)
        batches = self._encoded(texts, self.query_prompt, seconds)
        return in_order(batches, len(texts), self.dimensions)

    def close(self) -> None:
        self._client.close()

    def _encoded(
        self, texts: Sequence[str], prompt: str, seconds: float
    ) -> Iterator[tuple[Sequence[int], Rows]]:
        """Several requests at once, because a server fills its own batches from all of them."""
        ended = Event()
        starts = iter(range(0, len(texts), _BATCH))
        threads = ThreadPoolExecutor(_REQUESTS, thread_name_prefix="remote encoder")
        running: dict[Future[Rows], Sequence[int]] = {}
        try:
            while True:
                for start in islice(starts, _REQUESTS - len(running)):
                    some = range(start, min(start + _BATCH, len(texts)))
                    prompted = [prompt + texts[index] for index in some]
                    running[threads.submit(self._rows, prompted, seconds, ended)] = some
                if not running:
                    return
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(done), done.result()
        finally:
            ended.set()
            threads.shutdown(wait=False, cancel_futures=True)

    def _rows(self, texts: Sequence[str], seconds: float, ended: Event) -> Rows:
        answered = self._retried(texts, seconds, ended)
        if {len(row) for row in answered} != {self.dimensions}:
            raise ModelError(
                f"model {self.name}: the server answered with vectors of other lengths than "
                f"{self.dimensions}, which it gave at first"
            )
        return unit_rows(np.array(answered, dtype=np.float32))

    def _retried(self, texts: Sequence[str], seconds: float, ended: Event) -> list[list[float]]:
        """See `_asked`; again for so many seconds, unless it has `ended`, where that may help."""
        deadline = time.monotonic() + seconds
        trying = Retrying(
            retry=retry_if_exception(self._is_transient),
            wait=_pause,
            sleep=sleep_using_event(ended),
            # Not if the pause alone would last too long.
            stop=lambda state: ended.is_set() or time.monotonic() + _pause(state) > deadline,
            before_sleep=partial(self._tell, seconds),
            reraise=True,
        )
        return trying(self._asked, texts, min(_SECONDS, max(seconds, 1.0)))

    def _is_transient(self, error: BaseException) -> bool:
        """A server that has never answered is taken to be named wrongly, unless it is busy."""
        cause = error.__cause__
        if isinstance(cause, httpx2.HTTPStatusError):
            return cause.response.status_code in _PASSING
        return self._has_answered and isinstance(cause, httpx2.TransportError)

    def _tell(self, seconds: float, state: RetryCallState) -> None:
        level = logging.WARNING if state.attempt_number == 1 else logging.DEBUG
        error = state.outcome.exception() if state.outcome else None
        log.log(level, "%s; retrying for up to %g s", error, seconds)

    def _asked(self, texts: Sequence[str], timeout: float) -> list[list[float]]:
        openai = self._url.endswith("/embeddings")
        body: dict[str, Any] = (
            {"model": self._model, "input": list(texts), "encoding_format": "float"}
            if openai
            else {"inputs": list(texts), "truncate": True}
        )
        try:
            answer = self._client.post(self._url, json=body, timeout=timeout)
            answer.raise_for_status()
            rows = _listed(answer.json(), openai)
        except httpx2.HTTPStatusError as error:
            status, said = error.response.status_code, error.response.text.strip()[:200]
            if status in _PASSING:
                raise ModelError(
                    f"model {self.name}: the server is busy or away ({status}: {said})"
                ) from error
            raise ModelError(
                f"model {self.name}: the server refused ({status}: {said}); check address, model "
                "and LEAF_API_KEY"
            ) from error
        except httpx2.HTTPError as error:
            raise ModelError(
                f"model {self.name}: the server does not answer ({type(error).__name__}: "
                f"{shorten(str(error), 200)})"
            ) from error
        except (ValueError, TypeError, KeyError) as error:
            raise ModelError(
                f"model {self.name}: the server's answer is not one of {self._url}: "
                f"{shorten(repr(error), 200)}"
            ) from error
        if len(rows) != len(texts):
            raise ModelError(
                f"model {self.name}: the server gave {len(rows)} vectors for {len(texts)} texts"
            )
        return rows


def _pause(state: RetryCallState) -> float:
    """Seconds until the next try: what the server asks for, else growing ones."""
    error = state.outcome.exception() if state.outcome else None
    cause = error.__cause__ if error else None
    if isinstance(cause, httpx2.HTTPStatusError):
        asked = _retry_after(cause.response.headers.get("Retry-After", ""))
        if asked is not None:
            return asked
    return _GROWING(state)


_GROWING = wait_exponential_jitter(multiplier=_FIRST_PAUSE, max=_LONGEST_PAUSE)


def _retry_after(header: str) -> float | None:
    """Of a header in either of its forms, seconds or a date."""
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(parsedate_to_datetime(header).timestamp() - time.time(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None


def _listed(answer: Any, openai: bool) -> list[list[float]]:
    rows = (
        [part["embedding"] for part in sorted(answer["data"], key=lambda part: part["index"])]
        if openai
        else answer
    )
    return [[float(value) for value in row] for row in rows]


def _shown(name: str) -> str:
    """Without user and password."""
    parts = urlsplit(name)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
