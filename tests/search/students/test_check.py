"""A new student is compared with the stored vectors, in every form of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from pymongo.database import Database

from leafsearch.ingest import Document
from leafsearch.search.errors import SearchError
from leafsearch.search.students.check import check_student, measure_kept
from leafsearch.vectors import AlignmentError, Rows, load_encoder
from leafsearch.vectors.encoders import PROBES
from leafsearch.vectors.encoders.hashing import HashingEncoder
from leafsearch.vectors.store import read_manifest

DOCUMENTS = [Document(str(n), f"{probe} {probe[::-1]}") for n, probe in enumerate(PROBES)]
FORMS: list[dict[str, Any]] = [
    {},
    {"precision": "int8"},
    {"precision": "binary"},
    {"precision": "binary", "beside": "int8"},
    {"dimensions": 64},
]
TEACHER = "hashing:128"


class Near(HashingEncoder):
    """Its vectors are off by some noise."""

    def encode_queries(self, texts: Sequence[str]) -> Rows:
        rows = super().encode_queries(texts)
        noise = np.random.default_rng(0).standard_normal(rows.shape).astype(np.float32)
        return rows + 0.5 * noise / np.sqrt(rows.shape[1])


class Elsewhere(HashingEncoder):
    """Its space is another one."""

    def encode_queries(self, texts: Sequence[str]) -> Rows:
        return np.ascontiguousarray(super().encode_queries(texts)[:, ::-1])


class Collapsed(HashingEncoder):
    """It ignores the text, and sits in the middle of all."""

    def encode_queries(self, texts: Sequence[str]) -> Rows:
        rows = super().encode_queries([str(document.text) for document in DOCUMENTS])
        return np.repeat(rows.sum(axis=0, keepdims=True), len(texts), axis=0)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_student_of_the_space_passes(
    made: Any, database: Database[Any], form: dict[str, Any], opener: Any
) -> None:
    made(DOCUMENTS, **form)
    manifest = read_manifest(database, "c")

    same = check_student(load_encoder(TEACHER), database, "c", manifest)
    near = check_student(Near.from_name(TEACHER), database, "c", manifest)

    assert same.cosine > 0.95
    assert 0.5 < near.cosine < same.cosine


@pytest.mark.parametrize("kind", [Elsewhere, Collapsed])
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_student_of_another_space_is_refused(
    made: Any, database: Database[Any], form: dict[str, Any], kind: type[HashingEncoder]
) -> None:
    made(DOCUMENTS, **form)

    with pytest.raises(AlignmentError, match="does not share the space of the vectors"):
        check_student(kind.from_name(TEACHER), database, "c", read_manifest(database, "c"))


def test_a_worse_student_keeps_less(made: Any, database: Database[Any]) -> None:
    made(DOCUMENTS)
    manifest, teacher = read_manifest(database, "c"), load_encoder(TEACHER)

    same = measure_kept(teacher, teacher, database, "c", manifest)
    other = measure_kept(Elsewhere.from_name(TEACHER), teacher, database, "c", manifest)

    assert same == 1.0
    assert other is not None
    assert other < 0.7


def test_other_dimensions_are_refused(made: Any, database: Database[Any]) -> None:
    made(DOCUMENTS)

    with pytest.raises(AlignmentError, match=r"gives 64 dimensions, teacher hashing:128 128"):
        check_student(load_encoder("hashing:64"), database, "c", read_manifest(database, "c"))


def test_without_vectors_there_is_nothing_to_compare(made: Any, database: Database[Any]) -> None:
    made(DOCUMENTS)
    database["c"].delete_many({})

    with pytest.raises(SearchError, match="holds no text with a vector"):
        check_student(load_encoder(TEACHER), database, "c", read_manifest(database, "c"))
