"""The scale of int8 is that of the first 512 chunks of a corpus, whatever the timing."""

import time
from collections.abc import Callable, Iterator
from threading import Event
from typing import Any

import numpy as np
import pytest
from pymongo.database import Database

from leafsearch.ingest import Document, Summary, Target
from leafsearch.ingest.pipeline.plan import Plan, plan
from leafsearch.ingest.pipeline.queue import Channel
from leafsearch.ingest.pipeline.stats import Tally
from leafsearch.ingest.pipeline.write import Encoded, Writer
from leafsearch.vectors import load_encoder
from leafsearch.vectors.store import read_manifest

Open = Callable[..., Target]
Write = Callable[..., Summary]
FIRST = 512
CORPUS = [Document(f"d{n}", " ".join(f"word{n}x{m}" for m in range(30))) for n in range(FIRST)]
# Of a single word, vectors have few numbers and large ones.
LATER = [Document(f"e{n}", f"single{n}") for n in range(600)]


def scale(documents: list[Document]) -> float:
    rows = load_encoder("hashing:64").encode_documents([d.text for d in documents])
    return float(np.abs(rows).max()) / 127


def slowly(documents: list[Document]) -> Iterator[Document]:
    for number, document in enumerate(documents):
        if number % 100 == 0:
            time.sleep(0.02)
        yield document


@pytest.mark.parametrize("pace", [list, slowly])
def test_it_is_that_of_the_first_chunks(
    write: Write, database: Database[Any], pace: Callable[[list[Document]], Any]
) -> None:
    write(pace(CORPUS + LATER), precision="int8")

    assert scale(CORPUS) < 0.9 * scale(LATER)
    assert read_manifest(database, "c").scale == pytest.approx(scale(CORPUS))


def test_batches_that_wait_beside_the_first_do_not_count(
    target: Open, database: Database[Any]
) -> None:
    """All is there before the first is written: the slowest of servers."""
    opened, channel = target(precision="int8"), Channel[Encoded](8, Event())
    for documents in (CORPUS, LATER):
        plans = [_new(document, opened) for document in documents]
        rows = load_encoder("hashing:64").encode_documents([d.text for d in documents])
        channel.put(Encoded(plans, [p.new[0] for p in plans], rows))
    channel.close()

    Writer(opened, Tally(), lambda rejected: None).write_all(channel)

    assert read_manifest(database, "c").scale == pytest.approx(scale(CORPUS))
    assert database["c"].count_documents({}) == len(CORPUS) + len(LATER)


def test_a_smaller_corpus_takes_the_scale_of_all_its_chunks(
    write: Write, database: Database[Any]
) -> None:
    write([*CORPUS[:20], *LATER[:20]], precision="int8")

    assert read_manifest(database, "c").scale == pytest.approx(scale(CORPUS[:20] + LATER[:20]))


def test_a_run_that_goes_on_keeps_the_scale_that_is_there(
    write: Write, database: Database[Any]
) -> None:
    write(CORPUS, precision="int8")
    first = read_manifest(database, "c").scale

    write(CORPUS + LATER, precision="int8")

    assert read_manifest(database, "c").scale == first


def _new(document: Document, target: Target) -> Plan:
    return plan(document, b"digest", target.chunker.split(document), {}, target.manifest)
