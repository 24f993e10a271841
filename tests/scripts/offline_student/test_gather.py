"""Texts for distillation: from tiny files in the forms of the real packages, and Python's own."""

import gzip
import json
from inspect import cleandoc
from json import __file__ as json_package
from pathlib import Path

import pytest

from offline_student import wordnet
from offline_student.dictd import DIGITS, Dictionary, number
from offline_student.docstrings import docstrings, prose
from offline_student.fetch import Downloads, SourceMissing
from offline_student.gather import Gathered, gather, main, prepare, write
from offline_student.material import (
    Material,
    Origin,
    Term,
    clean,
    is_prose,
    is_term,
    paragraphs,
)
from offline_student.ontologies import Ontology
from offline_student.prose import Paragraphs, examination
from offline_student.registry import Source

ORIGIN = Origin("tiny", "1", "CC0-1.0")
NOUN = """\
  1 This software and database is being provided to you
14204950 26 n 01 osteoporosis 0 001 @ 14204435 n 0000 | abnormal loss of bony tissue resulting \
in fragile porous bones attributable to a lack of calcium
09213565 17 n 02 bank 0 river_bank 0 001 @ 09287968 n 0000 | sloping land; "they pulled the canoe \
up on the bank"; "he sat on the bank of the river"
"""
CAKE = r"""Cake \Cake\, n. [OE. cake, kaak; akin to Dan. kage,
   G. kuchen.]
   1. A small mass of dough baked. --Shak.
      [1913 Webster]

   2. (Med.) A flattened mass of something. --Jer. Taylor.

   {Oil cake} the refuse of flax seed.

   Syn: Bread.
"""


@pytest.fixture
def wordnet_folder(tmp_path: Path) -> Path:
    for name in wordnet.FILES:
        (tmp_path / name).write_text(NOUN if name == "data.noun" else "", "utf-8")
    return tmp_path


def test_a_synset_gives_its_gloss_whole_and_in_parts(wordnet_folder: Path) -> None:
    material = wordnet.material(wordnet_folder, ORIGIN)

    assert material.texts[0].startswith("osteoporosis: abnormal loss of bony tissue")
    assert material.texts[2:] == [
        "bank, river bank: sloping land",
        "sloping land",
        "they pulled the canoe up on the bank",
        "he sat on the bank of the river",
        "bank, river bank",
    ]
    assert material.terms[0] == Term("osteoporosis", "state")
    assert Term("river bank", "nature") in material.terms


def test_a_definition_is_taken_apart_without_etymology_and_names(tmp_path: Path) -> None:
    content = b"about this file\n" + CAKE.encode()
    (tmp_path / "tiny.dict.dz").write_bytes(gzip.compress(content))
    high, low = divmod(len(CAKE), 64)
    length = DIGITS[high] + DIGITS[low]
    (tmp_path / "tiny.index").write_text(f"00-database-info\tA\tQ\ncake\tQ\t{length}\n")

    material = Dictionary("tiny", "tiny", "CC0-1.0").material(tmp_path, ORIGIN)

    assert material.texts == [
        "A small mass of dough baked.",
        "Cake: A small mass of dough baked.",
        "A flattened mass of something.",
        "Cake: A flattened mass of something.",
        "the refuse of flax seed.",
        "Oil cake: the refuse of flax seed.",
    ]
    assert [term.text for term in material.terms] == ["Cake", "Oil cake"]


def test_offsets_of_an_index_are_numbers_of_base_64() -> None:
    assert [number(digits) for digits in ("A", "Q", "BA", "/")] == [0, 16, 64, 63]


def test_an_ontology_gives_labels_synonyms_and_definitions_of_what_is_in_use() -> None:
    entries = {
        "X:1": {
            "label": "noxacusis",
            "description": "Pain by <sub>everyday</sub> sounds. [WP]",
            "synonyms": ["Noxacusis", "pain hyperacusis"],
            "deprecated": False,
        },
        "X:2": {"label": "obsolete anomaly", "deprecated": True},
    }

    material = Ontology("X", "CC0-1.0", "disease").material(json.dumps(entries).encode(), ORIGIN)

    assert material.texts == [
        "noxacusis: Pain by everyday sounds.",
        "Pain by everyday sounds.",
        "noxacusis, pain hyperacusis",
    ]
    assert [term.text for term in material.terms] == ["noxacusis", "pain hyperacusis"]


def test_pages_give_their_blocks_without_programs() -> None:
    page = "<title>Mice</title><p>Wake <em>up</em>\n the mouse.</p><pre>rm -r</pre><li>Click"

    assert Paragraphs(page).found == ["Mice", "Wake up the mouse.", "Click"]


def test_an_examination_gives_its_right_answer() -> None:
    content = (
        "T9B11 (C)\nWhich line has\nleast loss?\nA. Coax\nB. Twin\nC. Air-insulated\nhard line\n"
    )

    assert examination(content) == ("Which line has least loss?", "Air-insulated hard line")


def test_lists_of_parameters_are_left_out_and_notes_are_not() -> None:
    doc = """Draws a line through all of these.

    Parameters
    ----------
    x : array
        What is known of the line.

    Notes
    -----
    The line is fitted by least squares.

    References
    ----------
    Gauss, who was the first of all to do so."""

    assert list(prose(cleandoc(doc))) == [
        "Draws a line through all of these.",
        "The line is fitted by least squares.",
    ]


def test_python_itself_is_a_source() -> None:
    found = list(docstrings(Path(json_package).parent))

    assert any("is a subset of JavaScript syntax" in text for text in found)
    assert not any("\n" in text or ">>>" in text for text in found)


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("a  <b>bold</b>\n word", "a bold word"),
        ("see https://example.org/x for ``more``", "see for more"),
    ],
)
def test_markup_and_addresses_are_removed(raw: str, cleaned: str) -> None:
    assert clean(raw) == cleaned


def test_texts_have_3_to_250_words_and_are_not_figures() -> None:
    assert is_prose("loss of bone")
    assert not is_prose("bone loss")
    assert not is_prose("word " * 250 + "word")
    assert not is_prose("10 20 30 40 x")


def test_long_paragraphs_are_cut_at_sentences() -> None:
    text = "One two three. Four five. Six seven eight nine.\n\nTen."

    assert list(paragraphs(text, most=5)) == [
        "One two three. Four five.",
        "Six seven eight nine.",
        "Ten.",
    ]


def test_terms_are_what_somebody_might_look_up() -> None:
    assert is_term("type 2 diabetes")
    assert not is_term("C12H22O11 (6-0)")
    assert not is_term("anemia, hemolytic")


@pytest.fixture
def prepared(wordnet_folder: Path) -> Gathered:
    material = wordnet.material(wordnet_folder, ORIGIN)
    return prepare("tiny", material, limit=100, seen=set())


def test_the_same_material_gives_the_same_lines(wordnet_folder: Path, prepared: Gathered) -> None:
    again = prepare("tiny", wordnet.material(wordnet_folder, ORIGIN), limit=100, seen=set())

    assert list(again.lines()) == list(prepared.lines())


def test_terms_are_texts_and_there_are_queries_for_every_second_text(prepared: Gathered) -> None:
    assert {"osteoporosis", "bank", "river bank"} <= set(prepared.texts)
    assert len(prepared.queries) >= len(prepared.texts) / 2
    assert any("river bank" in query or "osteoporosis" in query for query in prepared.queries)


def test_texts_that_differ_in_capitals_count_once() -> None:
    texts = ["Loss of bone.", "loss of bone.", "LOSS OF BONE.", "Loss of hair."]

    gathered = prepare("tiny", Material([ORIGIN], texts), limit=9, seen={"loss of hair."})

    assert gathered.texts == ["LOSS OF BONE."]


def test_a_limit_draws_from_all(wordnet_folder: Path) -> None:
    material = wordnet.material(wordnet_folder, ORIGIN)

    gathered = prepare("tiny", material, limit=4, seen=set())

    assert len(gathered.texts) == 4
    assert gathered.texts == sorted(gathered.texts)


def absent(downloads: Downloads) -> Material:
    return Dictionary("none", "no-such-package-of-leafsearch", "none").gather(downloads)


def test_a_source_that_cannot_be_fetched_is_named_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match=r"^Debian package no-such-package-of-leafsearch: .+$"):
        absent(Downloads(tmp_path))


def test_a_missing_source_is_skipped_on_request(
    tmp_path: Path, wordnet_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = Source(lambda _: wordnet.material(wordnet_folder, ORIGIN), 100)
    sources = {"none": Source(absent, 100), "tiny": tiny}
    out = tmp_path / "corpus"

    write(out, gather(sources, Downloads(tmp_path), limit=100, skip_missing=True))

    lines = [json.loads(line) for line in (out / "texts.jsonl").read_text("utf-8").splitlines()]
    queries = (out / "queries.txt").read_text("utf-8").splitlines()
    assert {line["source"] for line in lines} == {"tiny"}
    report = json.loads((out / "sources.json").read_text("utf-8"))
    assert report["tiny"]["origins"] == [{"package": "tiny", "version": "1", "licence": "CC0-1.0"}]
    assert report["tiny"]["texts"] == len(lines) > 0
    assert report["tiny"]["queries"] == len(queries) > 0
    printed = capsys.readouterr()
    assert printed.out.startswith("tiny: ")
    assert printed.err.startswith("none: skipped, Debian package no-such-package")


@pytest.mark.long
def test_the_command_writes_what_python_carries(tmp_path: Path) -> None:
    out = tmp_path / "corpus"

    assert main(["--out", str(out), "--only", "python", "--limit", "50"]) == 0

    assert len((out / "texts.jsonl").read_text("utf-8").splitlines()) == 50
    assert len((out / "queries.txt").read_text("utf-8").splitlines()) >= 25
