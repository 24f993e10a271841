"""An encoder behind HTTP: text-embeddings-inference, or anything with OpenAI's embeddings.

Its name is a URL whose fragment names the model, by hub name or folder, for tokenizer and prompts:

    https://encoder.example/embed#mixedbread-ai/mxbai-embed-large-v1
    https://encoder.example/v1/embeddings#MongoDB/mdbr-leaf-mt
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Any
from urllib.parse import urldefrag, urlsplit

import httpx2
import numpy as np

from vectors.encoder import Rows, in_order, unit_rows
from vectors.errors import ModelError
from vectors.model_files import ModelFiles

_SECONDS = 60.0
_REQUESTS = 4  # at once
_BATCH = 32  # the usual limit of a text-embeddings-inference server
_PROBE = "dimensions"


class RemoteEncoder:
    encode_precision = None  # the server's own

    def __init__(self, name: str, model: ModelFiles, key: str | None) -> None:
        """Raises ModelError if the server does not answer with vectors."""
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
        self.dimensions = len(self._asked([_PROBE])[0])

    @classmethod
    def open(cls, name: str, *, revision: str | None, key: str | None) -> "RemoteEncoder":
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
        return cls(name, ModelFiles.find(model, revision=revision), key)

    def encode_documents(self, texts: Sequence[str]) -> Rows:
        return in_order(self.document_batches(texts), len(texts), self.dimensions)

    def document_batches(self, texts: Sequence[str]) -> Iterator[tuple[Sequence[int], Rows]]:
        return self._encoded(texts, self.document_prompt)

    def encode_queries(self, texts: Sequence[str]) -> Rows:
        batches = self._encoded(texts, self.query_prompt)
        return in_order(batches, len(texts), self.dimensions)

    def close(self) -> None:
        self._client.close()

    def _encoded(self, texts: Sequence[str], prompt: str) -> Iterator[tuple[Sequence[int], Rows]]:
        """Several requests at once, because a server fills its own batches from all of them."""
        starts = iter(range(0, len(texts), _BATCH))
        threads = ThreadPoolExecutor(_REQUESTS, thread_name_prefix="remote encoder")
        running: dict[Future[Rows], Sequence[int]] = {}
        try:
            while True:
                for start in islice(starts, _REQUESTS - len(running)):
                    some = range(start, min(start + _BATCH, len(texts)))
                    prompted = [prompt + texts[index] for index in some]
                    running[threads.submit(self._rows, prompted)] = some
                if not running:
                    return
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(done), done.result()
        finally:
            threads.shutdown(wait=False, cancel_futures=True)

    def _rows(self, texts: Sequence[str]) -> Rows:
        answered = self._asked(texts)
        if {len(row) for row in answered} != {self.dimensions}:
            raise ModelError(
                f"model {self.name}: the server answered with vectors of other lengths than "
                f"{self.dimensions}, which it gave at first"
            )
        return unit_rows(np.array(answered, dtype=np.float32))

    def _asked(self, texts: Sequence[str]) -> list[list[float]]:
        openai = self._url.endswith("/embeddings")
        body: dict[str, Any] = (
            {"model": self._model, "input": list(texts), "encoding_format": "float"}
            if openai
            else {"inputs": list(texts), "truncate": True}
        )
        try:
            answer = self._client.post(self._url, json=body)
            answer.raise_for_status()
            rows = _listed(answer.json(), openai)
        except httpx2.HTTPStatusError as error:
            said = error.response.text.strip()[:200]
            raise ModelError(
                f"model {self.name}: the server refused ({error.response.status_code}: {said}); "
                "check address, model and LEAF_API_KEY"
            ) from error
        except httpx2.HTTPError as error:
            raise ModelError(
                f"model {self.name}: the server does not answer ({type(error).__name__}: {error})"
            ) from error
        except (ValueError, TypeError, KeyError) as error:
            raise ModelError(
                f"model {self.name}: the server's answer is not one of {self._url}: {error!r}"
            ) from error
        if len(rows) != len(texts):
            raise ModelError(
                f"model {self.name}: the server gave {len(rows)} vectors for {len(texts)} texts"
            )
        return rows


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
