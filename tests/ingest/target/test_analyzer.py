"""The analyzer of the words is named or found by the language, and changed without encoding."""

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.config import ConfigError, load
from leafsearch.config.storage import IndexTuning
from leafsearch.ingest import Choices, Document, Summary
from leafsearch.ingest.cli.index_options import InPlaceChoice
from leafsearch.ingest.generations.build import open_rebuild
from leafsearch.ingest.target.reconcile import reconcile
from leafsearch.vectors.store import MANIFESTS, read_manifest

Run = Callable[..., CompletedProcess[str]]
Write = Callable[..., Summary]
ENGLISH = [
    Document(str(n), f"the horses of this country are running and they have not been seen in {n}")
    for n in range(5)
]
GERMAN = [
    Document(str(n), f"die Pferde sind nicht in den Ställen und das ist auch {n} mit der Weide so")
    for n in range(5)
]
CODES = [Document(str(n), f"XK-{n} YZ-{n}") for n in range(5)]


def analyzer(database: Database[Any]) -> str | None:
    """What the definition of the text index names, if anything."""
    (index,) = database["c"].list_search_indexes("leaf_vectors_text")
    found: str | None = index["latestDefinition"].get("analyzer")
    return found


def kept(database: Database[Any]) -> str | None:
    return read_manifest(database, "c").tuning.text_analyzer


@pytest.mark.parametrize(
    ("documents", "choices", "expected"),
    [
        (ENGLISH, {"hybrid": True}, "lucene.english"),
        (GERMAN, {"hybrid": True}, "lucene.german"),
        (GERMAN, {"text_analyzer": "auto"}, "lucene.german"),
        (CODES, {"hybrid": True}, None),
        (ENGLISH, {"text_analyzer": "lucene.french"}, "lucene.french"),
        (ENGLISH, {"hybrid": True, "text_analyzer": "lucene.standard"}, None),
    ],
    ids=str,
)
@pytest.mark.parametrize("storage", ["full", "mrl256-int8"])
def test_a_new_collection_gets_its_analyzer(
    write: Write,
    database: Database[Any],
    documents: list[Document],
    choices: dict[str, Any],
    expected: str | None,
    storage: str,
) -> None:
    """Int8 is calibrated on a first batch, other vectors are written as they come."""
    if storage != "full":
        choices = {**choices, "precision": "int8"}

    write(documents, **choices)

    assert (kept(database), analyzer(database)) == (expected, expected)


def test_a_manifest_without_a_choice_is_as_before(write: Write, database: Database[Any]) -> None:
    write(CODES, hybrid=True)

    assert "tuning" not in (database[MANIFESTS].find_one({"_id": "c"}) or {})


def test_the_words_of_stored_texts_are_indexed_by_their_language(
    write: Write, database: Database[Any]
) -> None:
    write(GERMAN)

    done = write(GERMAN, hybrid=True)

    assert done.encoded == 0
    assert (kept(database), analyzer(database)) == ("lucene.german", "lucene.german")


def test_another_analyzer_updates_the_index_and_encodes_nothing(
    write: Write, database: Database[Any]
) -> None:
    write(ENGLISH, hybrid=True)

    for name in ("lucene.french", "lucene.standard", "auto"):
        done = write(ENGLISH, text_analyzer=name)

        expected = "lucene.english" if name == "auto" else name
        assert done.encoded == 0
        assert (kept(database), analyzer(database)) == (expected, expected)

    write(ENGLISH, hybrid=True)  # asks for no other
    assert analyzer(database) == "lucene.english"


def test_a_text_index_of_before_stays_as_it_is(write: Write, database: Database[Any]) -> None:
    """An index may have been tuned by hand."""
    write(CODES, hybrid=True)

    write(ENGLISH, hybrid=True)
    assert (kept(database), analyzer(database)) == (None, None)

    (index,) = database["c"].list_search_indexes("leaf_vectors_text")
    by_hand = {**index["latestDefinition"], "analyzer": "lucene.english"}
    database["c"].update_search_index("leaf_vectors_text", by_hand)
    write(ENGLISH, hybrid=True)
    assert (kept(database), analyzer(database)) == (None, "lucene.english")


def test_a_run_that_began_before_keeps_what_another_chose(
    target: Callable[..., Any], write: Write, database: Database[Any]
) -> None:
    write(ENGLISH, hybrid=True)
    before = target(hybrid=True)
    write(ENGLISH, text_analyzer="lucene.french")

    collection = reconcile(database, "c", before.manifest)

    assert collection.manifest.tuning == IndexTuning(text_analyzer="lucene.french")
    assert analyzer(database) == "lucene.french"


def test_documents_in_place_have_their_language(
    target: Callable[..., Any], database: Database[Any]
) -> None:
    database["c"].insert_many([{"_id": d.id, "body": d.text} for d in GERMAN])

    opened = target(hybrid=True, in_place=InPlaceChoice(text_field="body"))

    assert opened.manifest.tuning.text_analyzer == "lucene.german"
    assert "lucene.german, the language of the first texts" in opened.analyzer_reason


def test_a_rebuild_keeps_the_analyzer_or_takes_another(
    write: Write, database: Database[Any]
) -> None:
    write(ENGLISH, hybrid=True)
    settings = load({}, teacher="hashing:64", student="hashing:64", collection="c")

    same = open_rebuild(database, settings, Choices(precision="int8", hybrid=True))
    other = open_rebuild(
        database, settings, Choices(precision="int8", text_analyzer="lucene.french")
    )

    assert same.manifest.tuning.text_analyzer == "lucene.english"
    assert other.manifest.tuning.text_analyzer == "lucene.french"


def test_a_rebuild_that_adds_the_words_finds_their_language(
    write: Write, database: Database[Any]
) -> None:
    write(GERMAN)
    settings = load({}, teacher="hashing:64", student="hashing:64", collection="c")

    opened = open_rebuild(database, settings, Choices(precision="int8", hybrid=True))

    assert opened.manifest.hybrid
    assert opened.manifest.tuning.text_analyzer == "lucene.german"


def test_an_unknown_analyzer_is_refused_with_the_nearest(write: Write) -> None:
    with pytest.raises(ConfigError, match=r"--text-analyzer lucene\.englisch: .*lucene\.english"):
        write(ENGLISH, text_analyzer="lucene.englisch")


def test_the_command_tells_what_it_chose(leaf_ingest: Run, database: Database[Any]) -> None:
    lines = [f'{{"id": "{d.id}", "text": "{d.text}"}}\n' for d in ENGLISH]
    Path("c.jsonl").write_text("".join(lines))

    made = leaf_ingest("c.jsonl", "--hybrid", "--collection", "c")
    assert "words are indexed by lucene.english, the language of the first texts" in made.stderr

    wrong = leaf_ingest("c.jsonl", "--text-analyzer", "germn", "--collection", "c")
    assert wrong.returncode == 2
    assert "did you mean lucene.german?" in wrong.stderr

    changed = leaf_ingest("c.jsonl", "--text-analyzer", "french", "--collection", "c")
    assert (made.returncode, changed.returncode) == (0, 0)
    assert "words are indexed" not in changed.stderr
    assert analyzer(database) == "lucene.french"
