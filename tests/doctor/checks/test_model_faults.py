"""Faults between models, texts and stored vectors."""

from pathlib import Path

from leafsearch.doctor import Severity
from leafsearch.ingest import Document
from leafsearch.vectors import load_encoder
from leafsearch.vectors.encoders import PROBES
from leafsearch.vectors.store import MANIFESTS
from leaftests.doctor import (
    Examined,
    Foreign,
    Ingested,
    change,
    complaints,
    float32,
    texts,
)

P, S = Severity.PROBLEM, Severity.SKIPPED


def of_student(**fields: object) -> dict[str, object]:
    """Paths in the manifest, of the student that searches ask with."""
    return {f"students.default.{name}": value for name, value in fields.items()}


def test_texts_that_were_changed_since(ingested: Ingested, examined: Examined) -> None:
    change(ingested(), "text", "something else altogether")

    findings = examined()

    assert findings["texts"].level is P
    assert "3 of 60 have changed since they were encoded" in findings["texts"].message


def test_titles_belong_to_what_was_encoded(ingested: Ingested, examined: Examined) -> None:
    titled = [
        Document(str(i), text, "Trees", {"title": "Trees"}) for i, text in enumerate(texts(9))
    ]
    ingested(titled)

    assert complaints(examined()) == {}


def test_titles_that_were_not_stored_are_not_a_fault(
    ingested: Ingested, examined: Examined
) -> None:
    ingested([Document(str(i), text, "Trees") for i, text in enumerate(texts(9))])

    findings = examined()

    assert findings["texts"].level is S
    assert "titles that are not stored" in findings["texts"].message


def test_vectors_of_another_model(foreign: Foreign, examined: Examined, stranger: str) -> None:
    foreign()

    findings = examined(path="v", text_field="body", teacher=stranger, student=stranger)

    assert findings["teacher"].level is P
    assert f"not those of {stranger}: median cosine" in findings["teacher"].message
    assert findings["student"].level is S


def test_a_model_of_fewer_dimensions(foreign: Foreign, examined: Examined) -> None:
    foreign()

    findings = examined(path="v", text_field="body", teacher="hashing:32", student="hashing:32")

    assert findings["teacher"].level is P
    assert "gives 32 dimensions, the stored vectors have 64" in findings["teacher"].message


def test_a_few_vectors_of_another_model(foreign: Foreign, examined: Examined) -> None:
    other = load_encoder("hashing:64").encode_documents(["unheard of"])[0]
    change(foreign(), "v", float32(other))

    findings = examined(path="v", text_field="body", teacher="hashing:64", student="hashing:64")

    assert complaints(findings) == {"manifest": S, "vector variety": P, "teacher": P}
    assert "do not give their stored vectors" in findings["teacher"].message


def test_a_student_that_is_not_aligned(
    ingested: Ingested, examined: Examined, published_pair: tuple[str, str], stranger: str
) -> None:
    teacher, _ = published_pair
    collection = ingested(
        [Document(str(i), text) for i, text in enumerate(PROBES)], teacher=teacher
    )
    revision = load_encoder(stranger).revision
    collection.database[MANIFESTS].update_one(
        {"_id": "c"},
        {"$set": of_student(name=stranger, revision=revision, probe=None)},
    )

    findings = examined()

    assert complaints(findings) == {"student": P}
    assert "does not share the space" in findings["student"].message


def test_a_student_is_compared_with_the_vectors_where_the_teacher_is_not_there(
    foreign: Foreign, examined: Examined, stranger: str
) -> None:
    foreign()

    findings = examined(path="v", text_field="body", student=stranger)

    assert findings["teacher"].level is S
    assert findings["student"].level is P


def test_a_student_that_is_gone(ingested: Ingested, examined: Examined, tmp_path: Path) -> None:
    gone = of_student(name=str(tmp_path / "gone"), revision="sha256:0")
    ingested().database[MANIFESTS].update_one({"_id": "c"}, {"$set": gone})

    findings = examined()

    assert complaints(findings) == {"student": P}
    assert "no such folder" in findings["student"].message


def test_a_student_that_gives_other_vectors_than_at_ingest(
    ingested: Ingested, examined: Examined
) -> None:
    other = float32(load_encoder("hashing:128").encode_queries(["another"])[0])
    ingested().database[MANIFESTS].update_one({"_id": "c"}, {"$set": of_student(probe=other)})

    findings = examined()

    assert complaints(findings) == {"student": P}
    assert "other vectors here than at ingest" in findings["student"].message


def test_a_teacher_that_was_replaced_under_its_name(
    ingested: Ingested, examined: Examined, stranger: str
) -> None:
    other = {"teacher.name": stranger, "teacher.revision": "sha256:of-another-time"}
    ingested().database[MANIFESTS].update_one({"_id": "c"}, {"$set": other})

    findings = examined()

    assert complaints(findings) == {"teacher": P, "vocabulary": S}
    assert "made with sha256:of-another-time" in findings["teacher"].message


def test_a_teacher_that_is_not_on_this_machine_is_not_a_fault(
    ingested: Ingested, examined: Examined, tmp_path: Path
) -> None:
    gone = {"teacher.name": str(tmp_path / "gone"), "teacher.revision": "sha256:0"}
    ingested().database[MANIFESTS].update_one({"_id": "c"}, {"$set": gone})

    findings = examined()

    assert complaints(findings) == {"teacher": S, "vocabulary": S}


def test_a_misspelt_text_field(foreign: Foreign, examined: Examined) -> None:
    foreign()

    findings = examined(path="v", text_field="boddy")

    assert findings["texts"].level is P
    assert "strings are at body" in findings["texts"].message
