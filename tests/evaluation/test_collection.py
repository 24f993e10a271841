import shutil
from pathlib import Path

import pytest

from leafsearch.evaluation import EvalError, read_collection
from leaftests.evaluation import Written


def test_folder_and_zip_hold_the_same(trees: Path, tmp_path: Path) -> None:
    folder = read_collection(trees)
    inside = shutil.make_archive(str(tmp_path / "inside"), "zip", tmp_path, "small")
    bare = shutil.make_archive(str(tmp_path / "bare"), "zip", trees)

    for archive in (inside, bare):
        zipped = read_collection(Path(archive))
        assert zipped.passages == folder.passages
        assert (zipped.queries, zipped.judgments) == (folder.queries, folder.judgments)
    assert folder.name == "small"
    assert folder.judgments["t"] == {"oak": 2, "elm": 1}
    assert folder.warnings == []


def test_title_and_text_are_encoded_with_a_space_between(trees: Path) -> None:
    (trees / "corpus.jsonl").write_text(
        '{"_id": "oak", "title": "Trees", "text": "an oak"}\n{"_id": 7, "text": "seven"}\n'
    )

    passages = read_collection(trees).passages

    assert [(p.id, p.encoded) for p in passages] == [("oak", "Trees an oak"), ("7", "seven")]


def test_only_judged_queries_are_asked(written: Written) -> None:
    folder = written({"a": "x"}, {"1": "judged", "2": "not judged"}, ["1 a 1"])

    assert read_collection(folder).queries == {"1": "judged"}


def test_a_part_keeps_what_is_about_its_documents(trees: Path) -> None:
    part = read_collection(trees).part(1)

    assert [passage.id for passage in part.passages] == ["oak"]
    assert (part.queries, part.judgments) == ({"t": "tree with acorns"}, {"t": {"oak": 2}})


def test_what_cannot_be_asked_or_found_is_counted(written: Written) -> None:
    folder = written(
        {"a": "x", "b": " "},
        {"1": "one", "blank": "  ", "hopeless": "no"},
        ["1 a 1", "1 gone 2", "blank a 1", "hopeless a 0", "unknown a 1"],
    )

    found = read_collection(folder)

    assert list(found.queries) == ["1", "hopeless"]
    assert dict(found.judgments) == {"1": {"a": 1, "gone": 2}, "hopeless": {"a": 0}}
    assert [warning.split(" ")[0] for warning in found.warnings] == ["1"] * 5
    text = "; ".join(found.warnings)
    for what in ("not in queries.jsonl", "1 query is empty", "no relevant", "not in the corpus"):
        assert what in text
    assert "1 document is empty" in text


@pytest.mark.parametrize(("question", "is_chance"), [("an oak", False), ("a fish", True)])
def test_a_query_that_is_a_document_differs_from_one_with_its_id_by_chance(
    written: Written, question: str, is_chance: bool
) -> None:
    folder = written({"1": "an oak is a tree", "2": "elm"}, {"1": question}, ["1 2 1"])

    (warning,) = read_collection(folder).warnings

    assert warning.startswith("1 query has the id of a document; as in BEIR's evaluator")
    assert ("give them other ids if that is chance" in warning) is is_chance


def test_all_missing_files_are_named_at_once(trees: Path) -> None:
    (trees / "queries.jsonl").unlink()
    shutil.rmtree(trees / "qrels")

    with pytest.raises(EvalError, match=r"has no queries.jsonl, qrels/test.tsv; expected"):
        read_collection(trees)


def test_the_splits_that_there_are_are_named(trees: Path) -> None:
    with pytest.raises(EvalError, match=r"has no qrels/dev.tsv.*--split can be test"):
        read_collection(trees, split="dev")


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("corpus.jsonl", "", "is empty"),
        ("corpus.jsonl", "{", r"corpus.jsonl:1: not JSON"),
        ("corpus.jsonl", "[1]", "expected a JSON object"),
        ("corpus.jsonl", '{"text": "x"}', "_id is None"),
        ("corpus.jsonl", '{"_id": "a"}', "text is None"),
        ("corpus.jsonl", '{"_id": "a", "text": ""}\n' * 2, "'a' occurs 2 times"),
        ("queries.jsonl", '{"_id": "a", "text": 1}', "text is 1"),
        ("qrels/test.tsv", "a\tb\tscore\na b 1", r"test.tsv:2: 'a b 1'; expected query-id"),
        ("qrels/test.tsv", "x\ty\t1\n", "a known query and a known document"),
        ("qrels/test.tsv", "t\ty\t1\n", "a known query and a known document"),
        ("qrels/test.tsv", "t\toak\t0\nt\telm\t-1\n", "no judgment is above 0"),
    ],
)
def test_a_file_that_cannot_be_used_is_an_error(
    trees: Path, file: str, content: str, expected: str
) -> None:
    (trees / file).write_text(content)

    with pytest.raises(EvalError, match=expected):
        read_collection(trees)


def test_neither_folder_nor_zip(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no zip")

    with pytest.raises(EvalError, match="no such folder"):
        read_collection(tmp_path / "nowhere")
    with pytest.raises(EvalError, match="is not a zip file"):
        read_collection(tmp_path / "text")
