"""Estimate what a form of stored vectors keeps, on a sample of documents, without judgments.

Queries are made from the sample: a few words from somewhere in a passage, encoded by the student.
Two things are measured against the search with whole vectors:

- how much of the ten best passages' similarity, above that of all passages, is left in the ten that
  the form finds;
- how well the passage that the words came from is still found (1 / log2(rank + 1), up to rank 10).

Their mean is the estimate. The first is too kind to rotations and the second to truncation, which
is why both are taken. Over 25 forms each on NFCorpus and Vaswani, with the offline pair and 2,048
documents, its correlation with the measured share of nDCG@10 is 0.99; where that share is 90 % or
more, the estimate is at most 2.5 points off. The neighbours kept are far lower, and their
correlation is 0.93.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from leafsearch.config.storage import Precision
from leafsearch.vectors.encoders.base import Rows, unit_rows
from leafsearch.vectors.errors import CodecError
from leafsearch.vectors.forms.transform import Rotation, fit_rotation

NEIGHBOURS = 10
_ASKING = 256  # documents
_MOST_ASKING = 4  # every fourth at most
_SAME = 1e-5  # of two cosines; rounding differs less
_POOL = 100  # candidates of bits that are rescored, as a search for ten does
_FEWEST_WORDS, _MOST_WORDS = 4, 12
_CHARACTERS = 20  # of a text without blanks


@dataclass(frozen=True)
class Form:
    """`beside`: the precision of a second vector, outside the index, that rescores bits."""

    dimensions: int
    precision: Precision
    beside: Precision | None = None
    is_rotated: bool = False

    @property
    def bytes(self) -> int:
        """Bytes of the stored vectors of a passage, headers included."""
        return vector_bytes(self.dimensions, self.precision) + (
            vector_bytes(self.dimensions, self.beside) if self.beside else 0
        )

    def __str__(self) -> str:
        beside = f" + {self.beside}" if self.beside else ""
        return f"{self.dimensions} x {self.precision}{beside}" + (
            ", rotated" if self.is_rotated else ""
        )


@dataclass(frozen=True)
class Estimate:
    """Shares of what whole vectors find: of the ten nearest neighbours, and of nDCG@10."""

    form: Form
    neighbours: float
    quality: float


def vector_bytes(dimensions: int, precision: Precision) -> int:
    """Bytes of one stored vector, header included."""
    bits = {"float32": 32, "int8": 8, "binary": 1}[precision]
    return 2 + dimensions * bits // 8


def sample_queries(texts: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """Words from some texts, always the same ones, and which text each is from."""
    chance = random.Random(0)
    places = [n for n in _asking(len(texts)) if texts[n].strip()]
    return [_some_words(texts[n], chance) for n in places], np.array(places, dtype=np.int64)


def _asking(count: int) -> range:
    return range(0, count, max(count // _ASKING, _MOST_ASKING))


def _some_words(text: str, chance: random.Random) -> str:
    words = text.split()
    count = chance.randint(_FEWEST_WORDS, _MOST_WORDS)
    if len(words) < _FEWEST_WORDS:  # a script without blanks, or a short text
        start = chance.randint(0, max(0, len(text) - _CHARACTERS))
        return text[start : start + _CHARACTERS].strip() or text
    start = chance.randint(0, max(0, len(words) - count))
    return " ".join(words[start : start + count])


@dataclass(frozen=True)
class Sample:
    """`rows`: (n, d) unit rows of documents; `queries`: (m, d) unit rows of the student's
    queries, each from the document `own`, (m,)."""

    rows: Rows
    queries: Rows
    own: NDArray[np.int64]
    is_asked_by_itself: bool = False

    @classmethod
    def of_documents(cls, rows: Rows) -> "Sample":
        """Without a student, some documents ask for the others."""
        own = np.array(_asking(len(rows)), dtype=np.int64)
        return cls(rows, rows[own], own, is_asked_by_itself=True)

    def __post_init__(self) -> None:
        """Raises CodecError for NaN or infinity, which would measure anything."""
        if not (np.isfinite(self.rows).all() and np.isfinite(self.queries).all()):
            raise CodecError("vectors to measure a form on hold NaN or infinity; expected numbers")

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def distinct(self) -> int:
        """How many different documents there are: copies tell nothing."""
        return len({row.tobytes() for row in np.round(self.rows, 5)})

    @property
    def dimensions(self) -> int:
        return int(self.rows.shape[1])

    def estimate(self, form: Form) -> Estimate:
        """What this form keeps. The rotation of a rotated form never saw the asking documents."""
        scores = self._scores(form)
        found = _best(scores[:, self._others])
        quality = self._similarity_kept(found)
        if not self.is_asked_by_itself and (best := self._own_gain(self._true).mean()):
            quality = (quality + min(float(self._own_gain(scores).mean() / best), 1.0)) / 2
        return Estimate(form, self._neighbours_kept(found), min(quality, 1.0))

    @cached_property
    def _others(self) -> NDArray[np.int64]:
        """The documents that do not ask."""
        return np.setdiff1d(np.arange(len(self.rows)), self.own)

    @cached_property
    def _rotation(self) -> Rotation:
        return fit_rotation(self.rows[self._others])

    @cached_property
    def _true(self) -> Rows:
        return self.queries @ self.rows.T

    @cached_property
    def _nearest(self) -> NDArray[np.int64]:
        return _best(self._true[:, self._others])

    def _neighbours_kept(self, found: NDArray[np.int64]) -> float:
        """A passage as near as the tenth counts, whichever of several that is."""
        true = self._true[:, self._others]
        tenth = np.take_along_axis(true, self._nearest, axis=1).min(axis=1, keepdims=True)
        reached = np.take_along_axis(true, found, axis=1)
        return float((reached >= tenth - _SAME).mean())

    def _similarity_kept(self, found: NDArray[np.int64]) -> float:
        true = self._true[:, self._others]
        usual = true.mean(axis=1)
        wanted = np.take_along_axis(true, self._nearest, axis=1).mean(axis=1) - usual
        reached = np.take_along_axis(true, found, axis=1).mean(axis=1) - usual
        is_clear = wanted > 1e-6  # else all passages are alike
        return float((reached[is_clear] / wanted[is_clear]).mean()) if is_clear.any() else 1.0

    def _own_gain(self, scores: Rows) -> NDArray[np.float64]:
        own = np.take_along_axis(scores, self.own[:, None], axis=1)
        ranks = (scores > own).sum(axis=1) + 1
        return np.where(ranks <= NEIGHBOURS, 1 / np.log2(ranks + 1), 0.0)

    def _scores(self, form: Form) -> Rows:
        """(m, n), as a search over vectors of this form would score them."""
        documents, queries = self._projected(form)
        if form.precision == "float32":
            return queries @ documents.T
        if form.precision == "int8":
            scale = np.abs(documents).max() / 127
            return _to_int8(queries, scale) @ _to_int8(documents, scale).T
        bits = _to_bits(documents)
        shared = _to_bits(queries) @ bits.T
        if form.beside == "int8":
            bits = _to_int8(documents, np.abs(documents).max() / 127)
        elif form.beside == "float32":
            bits = documents
        rescored = queries @ unit_rows(bits).T
        pool = min(_POOL, shared.shape[1] - 1)
        passed = np.argpartition(-shared, pool, axis=1)[:, : pool + 1]
        scores = np.full_like(rescored, -2)
        np.put_along_axis(scores, passed, np.take_along_axis(rescored, passed, axis=1), axis=1)
        return scores

    def _projected(self, form: Form) -> tuple[Rows, Rows]:
        if not form.is_rotated:
            cut = slice(form.dimensions)
            return unit_rows(self.rows[:, cut]), unit_rows(self.queries[:, cut])
        documents = self._rotation.rotate(self.rows, form.dimensions)
        queries = self._rotation.rotate(self.queries, form.dimensions)
        return unit_rows(documents), unit_rows(queries * self._rotation.weights(form.dimensions))


def _best(scores: Rows) -> NDArray[np.int64]:
    count = min(NEIGHBOURS, scores.shape[1] - 1)
    return np.argpartition(-scores, count, axis=1)[:, :count]


def _to_int8(rows: Rows, scale: float) -> Rows:
    return unit_rows(np.clip(np.rint(rows / scale), -127, 127).astype(np.float32))


def _to_bits(rows: Rows) -> Rows:
    return np.where(rows > 0, 1, -1).astype(np.float32)
