"""Texts whose words the teacher does not know, and one vector for different texts."""

import numpy as np
import pytest
from pymongo.collection import Collection

from leafsearch.config import MULTILINGUAL, PRESETS, Settings, load
from leafsearch.doctor import Severity
from leafsearch.ingest import Document, Rejects
from leafsearch.ingest.runs.repair import repair
from leafsearch.search import Searcher
from leafsearch.vectors import load_encoder
from leafsearch.vectors.store import RetryBudget
from leaftests.doctor import Examined, Foreign, Ingested, change, float32

PAIR = PRESETS["offline"]
FERRY = (
    "เรือข้ามฟากออกจากท่าเรือเวลาเก้าโมงเช้าทุกวันยกเว้นวันที่มีลมแรงจากทิศเหนือผู้โดยสารต้องรอที่ท่าเรือจนกว่าลมจะสงบลง"
)
RICE = "ชาวนาปลูกข้าวในนาช่วงฤดูฝนและเก็บเกี่ยวเมื่อเมล็ดข้าวเปลี่ยนเป็นสีทองแล้วนำไปตากแดดให้แห้งก่อนเก็บไว้"
ENGLISH = ["Bread is baked at dawn.", "The cat sleeps.", "Trains run late.", "It snows."]


def offline(ingested: Ingested) -> Collection:
    texts = [FERRY, RICE, "ACGTTGCAAGGCTTACG" * 12, "x9K" * 60, *ENGLISH]
    documents = [Document(str(n), text) for n, text in enumerate(texts)]
    return ingested(documents, teacher=PAIR.teacher, student=PAIR.student)


def test_two_texts_with_one_vector_are_found_among_many(
    foreign: Foreign, examined: Examined
) -> None:
    change(foreign(), "v", float32(np.ones(64)), 2)

    found = examined(path="v", text_field="body")["vector variety"]

    assert found.level is Severity.PROBLEM
    assert found.message.startswith("2 of 60 vectors are identical to others though their texts")


def test_equal_texts_with_one_vector_are_no_fault(foreign: Foreign, examined: Examined) -> None:
    collection = foreign()
    change(collection, "v", float32(np.ones(64)), 30)
    change(collection, "body", "page not found", 30)

    assert examined(path="v", text_field="body")["vector variety"].level is Severity.OK


@pytest.mark.long
def test_vectors_of_unknown_words_are_found_and_repaired(
    ingested: Ingested, examined: Examined, mongodb_uri: str
) -> None:
    collection = offline(ingested)
    row = load_encoder(PAIR.teacher).encode_documents(["[UNK]"])[0]  # as version 0.1 encoded them
    change(collection, "embedding", float32(row), 4)

    before = examined()

    assert before["vector variety"].message.startswith("4 of 8 vectors are identical")
    assert "leaf-ingest repair" in before["vector variety"].message
    assert before["teacher"].level is Severity.OK
    assert before["vocabulary"].numbers == {"stale": 4}
    assert "leaf-ingest repair" in before["vocabulary"].message

    settings = settings_of(collection)
    for encoded in (4, 0):
        done = repair(
            collection.database,
            settings,
            Rejects(),
            seconds=60,
            on_status=lambda status: None,
            retries=RetryBudget(10),
        )
        assert (done.encoded, done.vectors) == (encoded, 8)
    after = examined()
    assert after["vector variety"].level is after["student"].level is Severity.OK
    with Searcher.open(mongodb_uri, settings) as searcher:
        assert [searcher.search(text)[0].document for text in (FERRY, RICE, FERRY[20:90])] == [
            "0",
            "1",
            "0",
        ]


@pytest.mark.long
def test_texts_that_the_teacher_cannot_read_are_counted(
    ingested: Ingested, examined: Examined
) -> None:
    offline(ingested)

    found = examined()["vocabulary"]

    assert found.level is Severity.PROBLEM
    assert found.numbers == {"unknown": 2, "texts": 8}
    assert "2 of 8 texts are mostly unknown to the teacher (_id '0#0', '1#0')" in found.message
    assert MULTILINGUAL in found.message


def settings_of(collection: Collection) -> Settings:
    return load({}, database=collection.database.name, collection="c")
