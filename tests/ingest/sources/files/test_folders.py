"""What of a folder is read, and what its documents are said to be from."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from leafsearch.ingest import Corpus, Document, Rejected
from leafsearch.ingest.sources.files.patterns import FilePatterns


@pytest.fixture(autouse=True)
def _folder() -> None:
    for name in ("a.md", "b.txt", "drafts/c.md", "guide/d.md", "guide/drafts/e.txt"):
        Path("docs", name).parent.mkdir(parents=True, exist_ok=True)
        Path("docs", name).write_text(f"Of {name}.")
    Path("docs/guide/f.svg").write_text("<svg/>")


def read(
    *include: str, exclude: tuple[str, ...] = (), format: Any = None, paths: tuple[str, ...] = ()
) -> list[str]:
    corpus = Corpus(paths or ["docs"], format=format, choice=FilePatterns(include, exclude))
    return [r.id.removeprefix("docs/") for r in corpus.records() if isinstance(r, Document)]


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        ([], [], "a.md b.txt drafts/c.md guide/d.md guide/drafts/e.txt"),
        (["*.md"], [], "a.md drafts/c.md guide/d.md"),
        (["*.md", "*.txt"], ["drafts/"], "a.md b.txt guide/d.md"),
        (["/*.md"], [], "a.md"),
        (["guide/"], [], "guide/d.md guide/drafts/e.txt"),
        (["guide/*.md"], [], "guide/d.md"),
        (["guide/**/*.txt"], [], "guide/drafts/e.txt"),
        ([], ["/drafts/"], "a.md b.txt guide/d.md guide/drafts/e.txt"),
        ([], ["*.md", "!a.md"], "a.md b.txt guide/drafts/e.txt"),
        ([], ["*"], ""),
    ],
)
def test_patterns_mean_what_they_mean_in_a_gitignore(
    include: list[str], exclude: list[str], expected: str
) -> None:
    assert read(*include, exclude=tuple(exclude)) == expected.split()


def test_an_included_file_of_another_kind_is_counted_and_read_with_a_format() -> None:
    corpus = Corpus(["docs"], choice=FilePatterns(["*.svg", "a.md"]))

    assert len(list(corpus.records())) == 1
    assert corpus.ignored == {".svg": 1}
    assert read("*.svg", format="text") == ["guide/f.svg"]


def test_patterns_do_not_exclude_a_file_that_is_named() -> None:
    assert read(exclude=("*",), paths=("docs/a.md",)) == ["a.md"]


def test_the_mark_of_a_document_that_is_open_in_office_is_hidden() -> None:
    Path("docs/~$report.docx").write_bytes(b"\6Someone" + bytes(100))
    corpus = Corpus(["docs"])

    assert not [r for r in corpus.records() if isinstance(r, Rejected)]
    assert dict(corpus.ignored) == {".svg": 1}


def test_a_folder_that_is_left_out_is_not_looked_into() -> None:
    os.chmod("docs/drafts", 0)
    try:
        found = list(Corpus(["docs"], choice=FilePatterns(exclude=["drafts"])).records())
    finally:
        os.chmod("docs/drafts", 0o755)

    assert not any(isinstance(record, Rejected) for record in found)


def sources(*paths: str, source: str | None = None) -> list[str]:
    read = Corpus(paths, source=source).records()
    return sorted({r.source for r in read if isinstance(r, Document)})


def test_documents_name_what_was_named(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("c.jsonl").write_text('{"text": "T"}\n')
    Path("c.csv").write_text("text\nT\n")

    assert sources("docs") == ["docs"]
    assert sources("docs/../docs/") == ["docs"]
    assert sources("docs/guide") == ["guide"]
    assert sources("docs/a.md", "docs/b.txt") == ["docs/a.md", "docs/b.txt"]
    assert sources("docs", "c.jsonl", source="all") == ["all"]
    monkeypatch.chdir("docs")
    assert sources(".") == ["docs"]
    assert sources("a.md") == ["docs/a.md"]
    assert sources("../c.jsonl")[0].endswith("/c.jsonl")
    assert sources("../c.csv")[0].endswith("/c.csv")


def test_standard_input_is_called_so() -> None:
    program = (
        "from leafsearch.ingest import Corpus; print([d.source for d in Corpus(['-']).records()])"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program], input=b'{"text": "T"}\n', capture_output=True, check=True
    )

    assert ended.stdout == b"['stdin']\n"


def test_an_empty_name_of_a_source_is_refused() -> None:
    assert list(Corpus(["docs"], source="").problems()) == ["--source: expected a name"]


def beir(folder: Path) -> None:
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": f"d{n}", "title": "H", "text": f"Text {n}.", "metadata": {}} for n in (1, 2)]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(record) + "\n" for record in corpus))
    (folder / "queries.jsonl").write_text('{"_id": "q1", "text": "A question?"}\n')
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\n")


@pytest.mark.parametrize("given", ["beir", "."])
def test_a_beir_folder_yields_its_documents_and_counts_the_rest(given: str) -> None:
    beir(Path("beir"))
    corpus = Corpus([given], choice=FilePatterns(["beir/", "*.jsonl"]))

    found = list(corpus.records())

    assert [r.id for r in found if isinstance(r, Document)] == ["d1", "d2"]
    assert len(found) == 2
    assert corpus.ignored == {"questions and judgements of a BEIR collection": 2}


def test_questions_without_documents_beside_them_are_records_like_others() -> None:
    Path("only").mkdir()
    Path("only/queries.jsonl").write_text('{"_id": "q1", "text": "A question?"}\n')

    assert read(paths=("only",)) == ["q1"]


def test_a_beir_zip_yields_its_documents() -> None:
    beir(Path("nfcorpus"))
    with zipfile.ZipFile("nfcorpus.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(Path("nfcorpus").rglob("*")):
            packed.write(path)
    corpus = Corpus(["nfcorpus.zip"])

    assert list(corpus.problems()) == []
    found = [r for r in corpus.records() if isinstance(r, Document)]

    assert [(d.id, d.title, d.metadata, str(d.place)) for d in found] == [
        ("d1", "H", {"title": "H"}, "nfcorpus.zip/nfcorpus/corpus.jsonl:1"),
        ("d2", "H", {"title": "H"}, "nfcorpus.zip/nfcorpus/corpus.jsonl:2"),
    ]
    assert corpus.ignored == {"questions and judgements of a BEIR collection": 2}


def rejected(*paths: str) -> dict[str, str]:
    read = Corpus(paths or ["docs"]).records()
    return {str(r.place): r.reason for r in read if isinstance(r, Rejected)}


def test_links_that_lead_nowhere_or_to_themselves_are_rejects_and_the_rest_is_read() -> None:
    Path("docs/self.txt").symlink_to("self.txt")
    Path("docs/one.md").symlink_to("two.md")
    Path("docs/two.md").symlink_to("one.md")
    Path("docs/dangling.md").symlink_to("nowhere")
    Path("docs/guide/up").symlink_to("..")
    loop = "cannot be read: Too many levels of symbolic links"

    assert rejected() == {
        "docs/dangling.md": "cannot be read: No such file or directory",
        "docs/one.md": loop,
        "docs/self.txt": loop,
        "docs/two.md": loop,
    }
    assert read() == read(paths=("docs", "docs/guide/.."))
    assert "b.txt" in read()
    assert list(Corpus(["docs/self.txt"]).problems()) == [f"docs/self.txt: {loop}"]
    assert Corpus(["docs"]).size() == sum(len(f"Of {name}.") for name in read())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every folder")
def test_files_of_a_folder_that_only_lists_are_rejects_and_the_rest_is_read() -> None:
    os.chmod("docs/drafts", 0o644)
    try:
        refused, others = rejected(), read()
    finally:
        os.chmod("docs/drafts", 0o755)

    assert refused == {"docs/drafts/c.md": "cannot be read: Permission denied"}
    assert "guide/d.md" in others


def test_names_that_are_not_utf8_are_written_out() -> None:
    name = b"caf\xe9".decode(errors="surrogateescape")
    Path("docs", name).mkdir()
    Path("docs", name, "a.jsonl").write_text('{"text": "T"}\n')
    Path("docs", f"{name}.csv").write_text("text\nT\n")

    assert sources(f"docs/{name}") == ["caf\\xe9"]
    assert sources(f"docs/{name}.csv") == ["docs/caf\\xe9.csv"]
    assert len(read()) == 7


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/full", "/dev/urandom"])
def test_a_device_without_an_end_is_refused(device: str) -> None:
    assert list(Corpus([device]).problems()) == [f"{device}: expected a file, a folder or a pipe"]
    assert list(Corpus(["/dev/null"]).problems()) == []
