"""An encoder behind HTTP: text-embeddings-inference, or any server with OpenAI's embeddings API.

Its name is a URL whose fragment names the model, by hub name or folder, for tokenizer and prompts:

    https://encoder.example/embed#mixedbread-ai/mxbai-embed-large-v1
    https://encoder.example/v1/embeddings#MongoDB/mdbr-leaf-mt

Requests to a busy or unreachable server are retried, after its `Retry-After` or with growing
pauses: for documents as long as requests to MongoDB, for queries a few seconds.
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
from leafsearch.vectors.encoders.words import Words
from leafsearch.vectors.errors import ModelError

log = logging.getLogger(__name__)

_SECONDS = 60.0  # for one response
_QUERY_SECONDS = 10.0  # for a query, all tries together: a person waits for it
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
# Timeout, too early, too many requests, and what proxies answer while a server restarts.
_TRANSIENT_STATUS = frozenset({408, 425, 429, 502, 503, 504})
_REQUESTS = 4  # concurrent
_BATCH = 32  # the usual limit of a text-embeddings-inference server
_PROBE = "dimensions"


class RemoteEncoder:
    encode_precision = None  # the server decides

    def __init__(
        self, name: str, model: ModelFiles, key: str | None, retry_for: float = RETRY_SECONDS
    ) -> None:
        """`retry_for`: seconds for which requests for documents are retried.

        Raises ModelError if the server does not return vectors.
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
        self._words = Words(self.tokenizer)
        self.max_tokens = model.max_tokens()
        self.query_prompt = model.prompt("query")
        self.document_prompt = model.prompt("document", "passage", "corpus")
        self.revision = model.revision
        self.dimensions = len(self._request_with_retries([_PROBE], retry_for, Event())[0])
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
                f"model {_shown(name)}: a key in the URL would be stored with the collection; set "
                "LEAF_API_KEY instead"
            )
        return cls(name, ModelFiles.find(model, revision=revision), key, retry_for)

    def encode_documents(self, texts: Sequence[str]) -> Rows:
        return in_order(self.document_batches(texts), len(texts), self.dimensions)

    def document_batches(self, texts: Sequence[str]) -> Iterator[tuple[Sequence[int], Rows]]:
        return self._encode(texts, self.document_prompt, self._retry_for)

    def encode_queries(self, texts: Sequence[str]) -> Rows:
        seconds = min(_QUERY_SECONDS, self._retry_for)
        batches = self._encode(texts, self.query_prompt, seconds)
        return in_order(batches, len(texts), self.dimensions)

    def close(self) -> None:
        self._client.close()

    def _encode(
        self, texts: Sequence[str], prompt: str, seconds: float
    ) -> Iterator[tuple[Sequence[int], Rows]]:
        """Send several requests at once, because the server fills its batches from all of them."""
        ended = Event()
        starts = iter(range(0, len(texts), _BATCH))
        threads = ThreadPoolExecutor(_REQUESTS, thread_name_prefix="remote encoder")
        running: dict[Future[Rows], Sequence[int]] = {}
        try:
            while True:
                for start in islice(starts, _REQUESTS - len(running)):
                    some = range(start, min(start + _BATCH, len(texts)))
                    cut = self._words.write([texts[index] for index in some])
                    prompted = [prompt + text for text in cut]
                    running[threads.submit(self._encode_batch, prompted, seconds, ended)] = some
                if not running:
                    return
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(done), done.result()
        finally:
            ended.set()
            threads.shutdown(wait=False, cancel_futures=True)

    def _encode_batch(self, texts: Sequence[str], seconds: float, ended: Event) -> Rows:
        answered = self._request_with_retries(texts, seconds, ended)
        if {len(row) for row in answered} != {self.dimensions}:
            raise ModelError(
                f"model {self.name}: the server returned vectors of another size than before; "
                f"expected {self.dimensions} dimensions"
            )
        return unit_rows(np.array(answered, dtype=np.float32))

    def _request_with_retries(
        self, texts: Sequence[str], seconds: float, ended: Event
    ) -> list[list[float]]:
        """See `_request`; retries transient failures for `seconds`, until `ended` is set."""
        deadline = time.monotonic() + seconds
        trying = Retrying(
            retry=retry_if_exception(self._is_transient),
            wait=_pause,
            sleep=sleep_using_event(ended),
            # Stop before a pause that would pass the deadline.
            stop=lambda state: ended.is_set() or time.monotonic() + _pause(state) > deadline,
            before_sleep=partial(self._log_retry, seconds),
            reraise=True,
        )
        return trying(self._request, texts, min(_SECONDS, max(seconds, 1.0)))

    def _is_transient(self, error: BaseException) -> bool:
        """Whether to retry; a server that has never answered probably has a wrong name."""
        cause = error.__cause__
        if isinstance(cause, httpx2.HTTPStatusError):
            return cause.response.status_code in _TRANSIENT_STATUS
        return self._has_answered and isinstance(cause, httpx2.TransportError)

    def _log_retry(self, seconds: float, state: RetryCallState) -> None:
        level = logging.WARNING if state.attempt_number == 1 else logging.DEBUG
        error = state.outcome.exception() if state.outcome else None
        log.log(level, "%s; retrying for up to %g s", error, seconds)

    def _request(self, texts: Sequence[str], timeout: float) -> list[list[float]]:
        openai = self._url.endswith("/embeddings")
        content: dict[str, Any] = (
            {"model": self._model, "input": list(texts), "encoding_format": "float"}
            if openai
            else {"inputs": list(texts), "truncate": True}
        )
        try:
            answer = self._client.post(self._url, json=content, timeout=timeout)
            answer.raise_for_status()
            rows = _parse_rows(answer.json(), openai)
        except httpx2.HTTPStatusError as error:
            status, body = error.response.status_code, error.response.text.strip()[:200]
            if status in _TRANSIENT_STATUS:
                raise ModelError(
                    f"model {self.name}: the server is busy or unavailable ({status}: {body})"
                ) from error
            raise ModelError(
                f"model {self.name}: the server rejected the request ({status}: {body}); check "
                "address, model and LEAF_API_KEY"
            ) from error
        except httpx2.HTTPError as error:
            raise ModelError(
                f"model {self.name}: the server does not answer ({type(error).__name__}: "
                f"{shorten(str(error), 200)})"
            ) from error
        except (ValueError, TypeError, KeyError) as error:
            raise ModelError(
                f"model {self.name}: {self._url} returned something other than vectors: "
                f"{shorten(repr(error), 200)}"
            ) from error
        if len(rows) != len(texts):
            raise ModelError(
                f"model {self.name}: the server gave {len(rows)} vectors for {len(texts)} texts"
            )
        return rows


def _pause(state: RetryCallState) -> float:
    """Seconds until the next try: the server's Retry-After, else growing pauses."""
    error = state.outcome.exception() if state.outcome else None
    cause = error.__cause__ if error else None
    if isinstance(cause, httpx2.HTTPStatusError):
        asked = _retry_after(cause.response.headers.get("Retry-After", ""))
        if asked is not None:
            return asked
    return _GROWING(state)


_GROWING = wait_exponential_jitter(multiplier=_FIRST_PAUSE, max=_LONGEST_PAUSE)


def _retry_after(header: str) -> float | None:
    """Seconds from a Retry-After header, which holds seconds or a date."""
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(parsedate_to_datetime(header).timestamp() - time.time(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None


def _parse_rows(answer: Any, openai: bool) -> list[list[float]]:
    rows = (
        [part["embedding"] for part in sorted(answer["data"], key=lambda part: part["index"])]
        if openai
        else answer
    )
    return [[float(value) for value in row] for row in rows]


def _shown(name: str) -> str:
    """The name without user and password."""
    parts = urlsplit(name)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
