"""The precision in which the teacher computes: recorded, followed, and never left to chance."""

import json
import logging
import time
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest
from pymongo.database import Database

from leafsearch.config import ConfigError, load
from leafsearch.ingest.cli.index_options import Choices
from leafsearch.ingest.cli.report import as_object, as_text
from leafsearch.ingest.document import Document
from leafsearch.ingest.generations.build import open_rebuild
from leafsearch.ingest.pipeline.encode import _Waiting
from leafsearch.ingest.pipeline.queue import Channel
from leafsearch.ingest.pipeline.rejects import Rejects
from leafsearch.ingest.pipeline.run import ingest
from leafsearch.ingest.pipeline.stats import Summary
from leafsearch.ingest.target.open import open_target
from leafsearch.ingest.target.target import Target
from leafsearch.search import Searcher
from leafsearch.vectors import ManifestError, load_encoder
from leafsearch.vectors.store import MANIFESTS, read_manifest

TEXTS = ["cheap flights in May", "roast vegetables in the oven", "the treaty was signed"]


@pytest.fixture
def opened(database: Database[Any], published_pair: tuple[str, str]) -> Any:
    def target(precision: str | None = None, **choices: Any) -> Target:
        teacher, student = published_pair
        settings = load(
            {},
            teacher=teacher,
            student=student,
            storage="full",
            collection="c",
            encode_precision=precision,
        )
        opening = open_rebuild if choices.pop("rebuild", False) else open_target
        return opening(database, settings, Choices(chunk_tokens=32, **choices))

    return target


def write(target: Target, tmp_path: Path, texts: list[str]) -> Summary:
    documents = [Document(text, text) for text in texts]
    return ingest(documents, target, rejects=Rejects(tmp_path / "rejects.jsonl"))


def test_the_manifest_records_it_and_a_later_run_follows(
    opened: Any, tmp_path: Path, database: Database[Any], published_pair: tuple[str, str]
) -> None:
    first = opened("float16")
    summary = write(first, tmp_path, TEXTS)

    later = opened()

    assert read_manifest(database, "c").encode_precision == "float16"
    assert later.teacher.encode_precision == "float16"
    assert "; encoded in float16" in as_text(summary, first)
    assert json.loads(as_object(summary, first))["encode_precision"] == "float16"
    # What the encoder gives in that precision and not in another; the codec rounds once more.
    stored = {c["text"]: c["embedding"].as_vector().data for c in database["c"].find()}
    rows = {
        precision: load_encoder(published_pair[0], precision=precision).encode_documents(TEXTS)
        for precision in ("float16", "float32")
    }
    found = np.array([stored[text] for text in TEXTS], dtype=np.float32)
    assert np.abs(found - rows["float16"]).max() < 1e-7
    assert np.abs(found - rows["float32"]).max() > 1e-5


def test_another_precision_than_the_manifests_is_an_error_that_shows_both(
    opened: Any, tmp_path: Path, database: Database[Any], mongodb_uri: str
) -> None:
    write(opened("float32"), tmp_path, TEXTS)

    with pytest.raises(ManifestError, match="encode_precision is float32, requested float16"):
        opened("float16")
    asked = {"LEAF_ENCODE_PRECISION": "float16", "LEAF_DATABASE": database.name}
    with Searcher.open(mongodb_uri, load(asked, collection="c")) as searcher:
        assert len(searcher.search(TEXTS[0], k=1)) == 1  # a search has no say in it


def test_a_manifest_without_it_is_reported_once_and_a_rebuild_records_it(
    opened: Any,
    tmp_path: Path,
    database: Database[Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    write(opened("float32"), tmp_path, TEXTS)
    database[MANIFESTS].update_one({"_id": "c"}, {"$set": {"encode_precision": None}})
    caplog.set_level(logging.WARNING)

    unchanged = write(opened("float16"), tmp_path, TEXTS)
    assert (unchanged.encoded, caplog.text) == (0, "")  # nothing is encoded, nothing to say
    changed = write(opened("float16"), tmp_path, [*TEXTS, "one more", "and another"])
    rebuilt = opened("float16", rebuild=True)

    assert changed.encoded == 2
    assert caplog.text.count("did not record in which precision") == 1
    assert "new ones are encoded in float16" in caplog.text
    assert rebuilt.manifest.encode_precision == "float16"


def test_an_unknown_precision_is_refused_with_the_known_ones() -> None:
    for given in ({"LEAF_ENCODE_PRECISION": "fp16"}, {"LEAF_ENCODE_PRECISION": "FLOAT32"}):
        with pytest.raises(ConfigError, match="expected one of auto, float32, bfloat16, float16"):
            load(given)


def test_chunks_are_computed_together_by_their_order_however_slow_the_source_is() -> None:
    plans: Channel[Any] = Channel(8, Event())

    def put_slowly() -> None:
        for number in range(3):
            time.sleep(0.2)
            plans.put([_Plan(number)])
        plans.close()

    Thread(target=put_slowly, daemon=True).start()
    waiting = _Waiting(plans)

    assert [chunk for _, chunk in waiting.take(4, seconds=60)] == [0, 0, 1, 1]
    assert [chunk for _, chunk in waiting.take(4, seconds=60)] == [2, 2]
    assert waiting.take(4, seconds=60) == []


def test_a_source_that_stops_for_long_does_not_hold_back_what_it_gave() -> None:
    plans: Channel[Any] = Channel(8, Event())
    plans.put([_Plan(7)])

    assert [chunk for _, chunk in _Waiting(plans).take(4, seconds=0.1)] == [7, 7]


def test_time_counts_from_the_first_chunk() -> None:
    """Documents that are stored already may pass for long before it."""
    plans: Channel[Any] = Channel(8, Event())
    waiting = _Waiting(plans)

    def put_late() -> None:
        time.sleep(0.6)
        for number in range(2):
            plans.put([_Plan(number)])
            time.sleep(0.1)
        plans.close()

    Thread(target=put_late, daemon=True).start()

    assert [chunk for _, chunk in waiting.take(4, seconds=0.5)] == [0, 0, 1, 1]


class _Plan:
    def __init__(self, number: int) -> None:
        self.new = [number, number]
