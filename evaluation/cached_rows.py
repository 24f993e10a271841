"""Rows of many texts, each encoded once and kept in the user's cache.

The texts are cut into blocks; a file holds the rows of one block and is named after model,
revision, side and the block's texts. A killed run goes on where it was, and a corpus that grew
encodes only what is new.
"""

import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import platformdirs

from leafsearch.evaluation.formats import Role
from leafsearch.vectors import Encoder, Rows, load_encoder, load_student
from leafsearch.vectors.encoders import find_model, has_bfloat16, has_gpu, is_remote

Side = Literal["documents", "queries"]
OnStatus = Callable[[str], None]

_FORMAT = "3"  # of the files
_BLOCK = 512  # texts
_TIMED, _WARM_UP = 50, 3  # queries
_UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")


@dataclass(frozen=True)
class Milliseconds:
    """Percentiles of the time of one query."""

    p50: float
    p95: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Milliseconds":
        p50, p95 = np.percentile(np.array(seconds) * 1e3, [50, 95])
        return cls(round(float(p50), 3), round(float(p95), 3))


class CachedModel:
    """A model by name, loaded only if its rows are not cached yet."""

    def __init__(
        self, name: str, role: Role, key: str | None = None, precision: str = "auto"
    ) -> None:
        """`precision` in which a teacher encodes documents, see load_encoder."""
        self.name = name
        self.role = role
        self._key = key
        self._precision = precision

    @cached_property
    def revision(self) -> str:
        if self.name.startswith("hashing:") or is_remote(self.name):
            return self._encoder.revision
        return find_model(self.name).revision

    def encode(self, texts: Sequence[str], side: Side, on_status: OnStatus) -> Rows:
        """(n, dimensions), from the cache as far as rows are there."""
        blocks = [texts[start : start + _BLOCK] for start in range(0, len(texts), _BLOCK)]
        rows = []
        for number, block in enumerate(blocks):
            file = self._file(side, block)
            if not file.is_file():
                on_status(f"{self.role} encodes {side}: {number * _BLOCK} of {len(texts)}")
                _write(file, self._encode(block, side))
            rows.append(np.load(file))
        return np.concatenate(rows)

    def latency(self, queries: Sequence[str]) -> Milliseconds | None:
        """The time to encode one query alone; None for a teacher that was not loaded."""
        if self.role == "teacher" and "_encoder" not in vars(self):
            return None
        for query in queries[:_WARM_UP]:
            self._seconds(query)
        return Milliseconds.of([self._seconds(query) for query in queries[:_TIMED]])

    @cached_property
    def _encoder(self) -> Encoder:
        """Loaded as ingest and search do it: a student runs without torch."""
        if self.role == "student" and not self.name.startswith("hashing:"):
            return load_student(self.name, revision=self.revision, key=self._key)
        return load_encoder(self.name, key=self._key, precision=self._precision)

    def _encode(self, texts: Sequence[str], side: Side) -> Rows:
        if side == "documents":
            return self._encoder.encode_documents(texts)
        return self._encoder.encode_queries(texts)

    def _seconds(self, query: str) -> float:
        start = time.perf_counter()
        self._encode([query], "queries")
        return time.perf_counter() - start

    def _file(self, side: Side, texts: Sequence[str]) -> Path:
        model = f"{Path(self.name).name}-{self.revision.removeprefix('sha256:')}-{self.role}"
        named = _UNSAFE.sub("-", model)
        content = hashlib.sha256(json.dumps([side, *texts]).encode()).hexdigest()[:32]
        return cache_folder() / named / f"{side}-{self._computed(side)}{content}.npy"

    def _computed(self, side: Side) -> str:
        """What the rows depend on beside model and text, by names that need no torch."""
        if side == "queries" or self.role == "student":
            return ""
        if self._precision != "auto":
            return f"{self._precision}-"
        if has_gpu():
            return "auto-gpu-"
        return "auto-bfloat16-" if has_bfloat16() else "auto-float32-"


def cache_folder() -> Path:
    return platformdirs.user_cache_path("leafsearch") / "eval" / _FORMAT


def _write(file: Path, rows: Rows) -> None:
    """Atomic rename, so that no reader loads half a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".part", delete=False) as made:
        np.save(made, rows)
    os.replace(made.name, file)
