"""Check a new student against the vectors that are stored, without the teacher.

The student encodes some stored texts as queries. Each must be near the stored vector of its text,
and clearly nearer to it than to those of other texts, as encoders.alignment asks of probe texts.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from pymongo.database import Database

from leafsearch.search.errors import SearchError
from leafsearch.search.values import values_at
from leafsearch.vectors import (
    Alignment,
    AlignmentError,
    Encoder,
    Manifest,
    Rows,
    explain_errors,
    join_texts,
)
from leafsearch.vectors.encoders import MINIMUM_COSINE, MINIMUM_MARGIN
from leafsearch.vectors.store import MARK, sample_queries, uppermost_paths

NEIGHBOURS = 10  # ranks that count
_TEXTS, _RANKED = 64, 1000
_DRAWN = 8 * _TEXTS  # some are of another generation, or have no vector yet
_SHARE = 0.4  # of the margin that texts so alike leave at most


def require_dimensions(student: Encoder, manifest: Manifest) -> None:
    """Raises AlignmentError unless its vectors have the teacher's dimensions."""
    teacher = manifest.teacher
    if student.dimensions != teacher.dimensions:
        raise AlignmentError(
            f"student {student.name} gives {student.dimensions} dimensions, teacher {teacher.name} "
            f"{teacher.dimensions}; expected the same. Use a student distilled from this teacher"
        )


def check_student(
    student: Encoder, database: Database[Any], collection: str, manifest: Manifest
) -> Alignment:
    """Raises AlignmentError unless the student's queries lie near the stored vectors."""
    require_dimensions(student, manifest)
    texts, stored = read_texts(database, collection, manifest, _TEXTS)
    found = measure_on_stored(student, manifest, texts, stored)
    alike = _mean_of_others(_cosines(stored, stored, manifest))
    margin = min(MINIMUM_MARGIN, _SHARE * (1 - alike))
    if found.cosine < MINIMUM_COSINE or found.margin < margin:
        raise AlignmentError(
            f"student {student.name} does not share the space of the vectors in "
            f"{database.name}.{collection}: mean cosine {found.cosine:.2f} of {len(texts)} texts "
            f"with their own vectors, {found.margin:.2f} above others; expected at least "
            f"{MINIMUM_COSINE} and {margin:.2f}. Use a student distilled from "
            f"{manifest.teacher.name}"
        )
    return found


def measure_on_stored(
    student: Encoder, manifest: Manifest, texts: Sequence[str], stored: Rows
) -> Alignment:
    """`stored`: (n, d) what the codec expands; of bits, the cosine is that of the angle."""
    rows = manifest.codec.project(student.encode_queries(texts))
    cosines = _cosines(rows, stored, manifest)
    own = float(np.diagonal(cosines).mean())
    return Alignment(round(own, 4), round(own - _mean_of_others(cosines), 4))


def measure_kept(
    student: Encoder, teacher: Encoder, database: Database[Any], collection: str, manifest: Manifest
) -> float | None:
    """The student's share of how well the teacher finds texts by some of their words, at most 1.

    None if the teacher finds none.
    """
    texts, stored = read_texts(database, collection, manifest, _RANKED)
    queries, own = sample_queries(texts)

    def gain(encoder: Encoder) -> float:
        scores = manifest.codec.project_queries(encoder.encode_queries(queries)) @ stored.T
        ranks = (scores > np.take_along_axis(scores, own[:, None], axis=1)).sum(axis=1) + 1
        return float(np.where(ranks <= NEIGHBOURS, 1 / np.log2(ranks + 1), 0.0).mean())

    best = gain(teacher)
    return round(min(gain(student) / best, 1.0), 4) if best else None


def read_texts(
    database: Database[Any], collection: str, manifest: Manifest, count: int
) -> tuple[list[str], Rows]:
    """Some distinct texts and their stored vectors, (n, d).

    Raises SearchError if there are none.
    """
    path, mongo = manifest.exact_path, database[collection]
    wanted = {**manifest.chosen, path: {"$exists": True}}
    fields = dict.fromkeys(uppermost_paths([*manifest.text_fields, path, MARK]), 1)
    shape: list[dict[str, Any]] = [{"$match": wanted}, {"$limit": 2 * count}, {"$project": fields}]
    found: dict[str, Any] = {}
    drawing: list[dict[str, Any]] = [{"$sample": {"size": max(_DRAWN, 4 * count)}}]
    with explain_errors():
        for stages in ([*drawing, *shape], shape):
            documents = list(mongo.aggregate(stages))
            # The vector of a text in parts is their mean.
            whole = [each for each in documents if not any(values_at(each, f"{MARK}.chunks"))]
            found |= dict(_sound(whole or documents, manifest))
            if len(found) >= count // 2:
                break
    if not found:
        raise SearchError(
            f"collection {database.name}.{collection} holds no text with a vector, so no student "
            "can be checked; ingest documents first"
        )
    some = dict(list(found.items())[:count])
    return list(some), manifest.codec.exact.expand(list(some.values()))


def _sound(
    documents: Sequence[Mapping[str, Any]], manifest: Manifest
) -> Iterator[tuple[str, bytes]]:
    for document in documents:
        texts = [v for field in manifest.text_fields for v in values_at(document, field)]
        text = join_texts(value for value in texts if isinstance(value, str)).strip()
        (vector, *_) = [*values_at(document, manifest.exact_path), None]
        if text and isinstance(vector, bytes) and manifest.codec.exact.is_sound(vector):
            yield text, vector


def _cosines(rows: Rows, stored: Rows, manifest: Manifest) -> Rows:
    if manifest.codec.exact.precision != "binary":
        return rows @ stored.T
    signs = np.where(rows > 0, 1, -1) / math.sqrt(rows.shape[1])
    shared: Rows = np.sin((signs @ stored.T) * (math.pi / 2)).astype(np.float32)
    return shared


def _mean_of_others(cosines: Rows) -> float:
    others = cosines[~np.eye(len(cosines), dtype=bool)]
    return float(others.mean()) if others.size else 0.0
