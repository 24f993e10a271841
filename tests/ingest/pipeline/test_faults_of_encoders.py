"""Encoders that fail in the middle, and another ingest that begins the same collection."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import active_children
from pathlib import Path
from threading import Barrier, Event, Thread
from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.config import load
from leafsearch.ingest import Choices, Document, Rejects, Summary, Target, ingest, open_target
from leafsearch.vectors import Encoder, ModelError, load_encoder
from leafsearch.vectors.encoders import PROBES
from leafsearch.vectors.store import MANIFESTS, read_manifest

DOCUMENTS = 1000


def documents(first: int = 0, count: int = DOCUMENTS) -> list[Document]:
    numbers = range(first, first + count)
    return [Document(f"d{n}", f"{' '.join(PROBES[:4])} Number {n}.") for n in numbers]


@pytest.mark.parametrize("time", range(3))
def test_two_that_begin_a_collection_at_once_agree_on_one_scale(
    target: Callable[..., Target], database: Database[Any], tmp_path: Path, time: int
) -> None:
    both_have_read = Barrier(2)

    def read(first: int) -> Iterator[Document]:
        yield from documents(first, 300)
        both_have_read.wait(30)

    def run(opened: Target, first: int) -> Summary:
        summary = ingest(read(first), opened, rejects=Rejects(tmp_path / f"{first}.jsonl"))
        opened.ensure_index()
        return summary

    opened = [target(precision="int8", chunk_tokens=256) for _ in range(2)]
    with ThreadPoolExecutor() as threads:
        summaries = list(threads.map(run, opened, (0, 300)))

    assert [summary.encoded for summary in summaries] == [300, 300]
    assert database[MANIFESTS].count_documents({}) == 1
    codec = read_manifest(database, "c").codec
    stored = {chunk["document"]: chunk["embedding"] for chunk in database["c"].find()}
    rows = load_encoder("hashing:64").encode_documents([d.text for d in documents(0, 600)])
    assert stored == {f"d{n}": vector for n, vector in enumerate(codec.compress(rows))}


def answering(model: Encoder, works: Event, most: int) -> type[BaseHTTPRequestHandler]:
    """A server that answers that many requests, and then none until it `works`."""

    class Answering(BaseHTTPRequestHandler):
        answered = 0

        def do_POST(self) -> None:
            texts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["inputs"]
            type(self).answered += 1
            fails = type(self).answered > most and not works.is_set()
            rows = [] if fails else model.encode_documents(texts).tolist()
            written = b"out of memory" if fails else json.dumps(rows).encode()
            self.send_response(500 if fails else 200)
            self.send_header("Content-Length", str(len(written)))
            self.end_headers()
            self.wfile.write(written)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Answering


@contextmanager
def served(model: Encoder, works: Event, most: int) -> Iterator[str]:
    handler = answering(model, works, most)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/embed#{model.name}"
        server.shutdown()


def test_what_a_server_encoded_before_it_failed_is_written_and_the_rest_later(
    published_pair: tuple[str, str], database: Database[Any], tmp_path: Path
) -> None:
    works = Event()
    rejects = Rejects(tmp_path / "r.jsonl")
    with served(load_encoder(published_pair[0]), works, most=10) as url:
        settings = load({}, teacher=url, student=published_pair[1], storage="full", collection="c")
        first = open_target(database, settings, Choices())
        with pytest.raises(
            ModelError, match=r"the server rejected .*\(500: out of memory\)"
        ) as error:
            ingest(documents(), first, rejects=rejects)
        written = database["c"].count_documents({})
        works.set()
        second = open_target(database, settings, Choices())

        summary = ingest(documents(), second, rejects=rejects)

        first.close()
        second.close()
    assert "\n" not in str(error.value)
    assert 0 < written == summary.unchanged
    assert summary.encoded == DOCUMENTS - written
    assert database["c"].count_documents({}) == DOCUMENTS


@pytest.mark.long
def test_what_was_encoded_before_a_process_died_is_written_and_the_rest_later(
    published_pair: tuple[str, str], database: Database[Any], tmp_path: Path
) -> None:
    teacher = load_encoder(published_pair[0], devices=["cpu", "cpu"])
    names = {"teacher": published_pair[0], "student": published_pair[1]}
    settings = load({}, **names, storage="full", collection="c")
    rejects = Rejects(tmp_path / "r.jsonl")
    whole = open_target(database, settings, Choices())
    killed = Event()

    def kill(summary: Summary) -> None:
        children = active_children()  # none for as long as there is little to encode
        if summary.encoded and children and not killed.is_set():
            killed.set()
            os.kill(children[0].pid or 0, signal.SIGKILL)

    several = Target(database, settings, whole.manifest, teacher)
    with pytest.raises(ModelError, match="one of 2 worker processes on cpu, cpu died") as error:
        ingest(documents(), several, rejects=rejects, on_progress=kill)
    assert active_children() == []
    written = database["c"].count_documents({})

    summary = ingest(documents(), whole, rejects=rejects)

    several.close()
    whole.close()
    assert "\n" not in str(error.value)
    assert 0 < written == summary.unchanged
    assert summary.encoded == DOCUMENTS - written
    assert database["c"].count_documents({}) == DOCUMENTS
