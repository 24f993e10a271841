"""Programs are cut along their definitions, and each chunk is encoded behind path and symbol."""

import pytest

from leafsearch.ingest.chunking.chunk import Chunk
from leafsearch.ingest.chunking.chunker import Chunker
from leafsearch.ingest.document import Document, Mark
from leafsearch.ingest.pipeline.plan import digest_of
from leafsearch.vectors.encoders.hashing import HashingEncoder
from leaftests.reading import read_one

pytest.importorskip("tree_sitter", reason="needs the extra [formats]")

PROGRAM = (
    "import os\n\n# about small\ndef small():\n    return 1\n\ndef long():\n"
    + "".join(f"    total_{i} = compute({i}) + {i}\n" for i in range(60))
    + "\nclass Pump:\n    def run(self):\n        return 'running'\n"
)


def cut(document: Document, *, tokens: int = 64, overlap: int = 16) -> list[Chunk]:
    tokenizer = HashingEncoder(64).tokenizer
    return Chunker(tokenizer, max_tokens=512, tokens=tokens, overlap=overlap).split(document)


def test_no_chunk_holds_two_definitions() -> None:
    chunks = cut(read_one(PROGRAM.encode(), "code", "src/a.py"))

    symbols = [chunk.place.get("symbol") for chunk in chunks]
    assert list(dict.fromkeys(symbols)) == [None, "small", "long", "Pump"]
    assert symbols.count("long") > 2
    assert chunks[1].text.startswith("# about small\ndef small()")
    assert chunks[2].text.startswith("def long()")
    assert chunks[-1].place == {"symbol": "Pump", "lines": [69, 71]}


def test_each_chunk_is_encoded_behind_its_path_and_symbol() -> None:
    chunks = cut(read_one(PROGRAM.encode(), "code", "src/a.py"))

    assert chunks[1].encoded_text.startswith("src/a.py small # about small")
    assert all(c.encoded_text.startswith("src/a.py long ") for c in chunks[2:-1])
    assert all(chunk.tokens <= 64 for chunk in chunks)


def test_lines_are_never_cut_and_all_are_there() -> None:
    chunks = cut(read_one(PROGRAM.encode(), "code", "src/a.py"), overlap=0)

    wanted = [line for line in PROGRAM.split("\n") if line.strip()]
    found = [line for chunk in chunks for line in chunk.text.split("\n") if line.strip()]
    assert [line.strip() for line in found] == [line.strip() for line in wanted]


def test_a_comment_is_no_heading() -> None:
    chunks = cut(read_one(b"# Not a heading\nx = 1\n", "code", "a.py"))

    assert [dict(chunk.place) for chunk in chunks] == [{"lines": [1, 2]}]


def test_a_long_line_is_cut_between_words() -> None:
    line = "x = '" + "word " * 500 + "'\n"
    chunks = cut(read_one(("def f():\n    return 1\n" + line).encode(), "code", "a.py"))

    assert len(chunks) > 5
    assert sum(chunk.text.count("word") for chunk in chunks) >= 500


def test_a_document_changes_with_its_borders() -> None:
    class Manifest:
        layout = "chunks"

    one = Document("d", "a\nb\n", is_code=True, cuts=[0])
    other = Document("d", "a\nb\n", is_code=True, cuts=[0, 2])
    text = Document("d", "a\nb\n")

    digests = {digest_of(d, Manifest()) for d in (one, other, text)}  # type: ignore[arg-type]
    assert len(digests) == 3


def test_a_title_that_is_too_long_shifts_the_borders_with_the_text() -> None:
    path = "folder/" * 40 + "a.py"
    chunks = cut(read_one(b"def f():\n    pass\n\ndef g():\n    pass\n", "code", path))

    assert [chunk.text.split("\n")[0] for chunk in chunks][-1] == "def g():"
    assert chunks[-1].place["symbol"] == "g"


def test_marks_without_borders_are_cut_by_lines() -> None:
    text = "".join(f"SELECT column_{i} FROM pumps;\n" for i in range(40))
    chunks = cut(Document("d", text, marks=[Mark(0, {"symbol": None})], is_code=True), overlap=0)

    assert len(chunks) > 3
    assert all(chunk.text.startswith("SELECT") for chunk in chunks)
