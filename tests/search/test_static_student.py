"""A collection whose queries a static student encodes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymongo.database import Database

from leafsearch.config import load
from leafsearch.ingest import Choices, Document, Rejects, ingest, open_target
from leafsearch.search import Searcher
from leafsearch.vectors import AlignmentError, load_encoder
from leafsearch.vectors.encoders import PROBES
from leaftests.static import random_rows, static_model, wordpieces


@pytest.fixture(scope="session")
def static_student(
    tmp_path_factory: pytest.TempPathFactory, published_pair: tuple[str, str]
) -> str:
    """A table of the pair's teacher: its rows are fitted to the probes by least squares."""
    tokenizer = wordpieces()
    wanted = load_encoder(published_pair[0]).encode_queries(PROBES)
    counts = np.zeros((len(PROBES), tokenizer.get_vocab_size()))
    for row, encoding in zip(counts, tokenizer.encode_batch(list(PROBES)), strict=True):
        np.add.at(row, encoding.ids[1:-1], 1 / (len(encoding.ids) - 2))
    rows = np.linalg.lstsq(counts, wanted, rcond=None)[0].astype(np.float32)
    return static_model(tmp_path_factory.mktemp("static") / "student", tokenizer, rows)


def test_its_queries_find_what_the_teachers_find(
    database: Database[Any],
    mongodb_uri: str,
    published_pair: tuple[str, str],
    static_student: str,
    tmp_path: Path,
) -> None:
    pair = {"teacher": published_pair[0], "student": static_student}
    where = {"database": database.name, "collection": "c"}
    settings = load({}, **pair, **where, storage="full")
    target = open_target(database, settings, Choices())
    documents = [Document(str(n), probe) for n, probe in enumerate(PROBES)]
    done = ingest(documents, target, rejects=Rejects(tmp_path / "rejects"))
    target.collection.wait_until_ready(done.last_written, seconds=60, on_status=lambda _: None)

    with Searcher.open(mongodb_uri, load({}, **where)) as searcher:
        hits = [searcher.search(probe, k=1)[0] for probe in PROBES]
        assert searcher.manifest.student.name == static_student

    teacher = load_encoder(published_pair[0], precision="float32")
    cosines = teacher.encode_queries(PROBES) @ teacher.encode_documents(PROBES).T
    assert [hit.document for hit in hits] == [str(n) for n in cosines.argmax(axis=1)]


def test_a_table_of_another_space_is_refused(
    database: Database[Any], published_pair: tuple[str, str], tmp_path: Path
) -> None:
    tokenizer = wordpieces()
    rows = random_rows(tokenizer.get_vocab_size(), 64)
    pair = {"teacher": published_pair[0], "student": static_model(tmp_path / "s", tokenizer, rows)}

    with pytest.raises(AlignmentError, match="does not share the space of teacher"):
        open_target(database, load({}, **pair, storage="full", collection="c"), Choices())
