"""A deployment, commands against it, and what is really stored there."""

import json
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from subprocess import CompletedProcess
from typing import Any, TypeVar

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from leafsearch.config import load
from leafsearch.ingest import Choices, Document, Target, open_target
from leafsearch.ingest.pipeline.plan import digest_of, plan
from leafsearch.vectors import load_encoder
from leafsearch.vectors.store import Generations, read_generations
from leaftests.endure.model import Docs, Ledger, Op, Value
from leaftests.forked import Command

MANY = 240  # documents that there can be
CHUNKS = ("--chunk-tokens", "24", "--chunk-overlap", "4")
_SECONDS = 240.0  # for a command, and for a check of what is there
_ENDED_WELL = (0, 3)
_TRIES = 30
_SUB_COMMANDS = ("rollback", "retire")

Done = TypeVar("Done")
Content = frozenset[tuple[Any, ...]]  # of a document's chunks


class Violation(AssertionError):
    """Something is lost, or a command has ended well and it was not so."""


def text(number: int, edition: int) -> str:
    """Editions differ in length, so that documents have other numbers of chunks."""
    sentences = 1 + (number * 7 + edition * 5) % 9
    return " ".join(f"Sentence {n} of {number} in edition {edition}." for n in range(sentences))


class World:
    """`uri` is what commands connect to, `direct` what checks do."""

    def __init__(self, uri: str, direct: str, folder: Path, ledger: Ledger) -> None:
        self.uri = uri
        self.folder = folder
        self.ledger = ledger
        self.chance = Random(0)
        self.client: MongoClient[Any] = MongoClient(direct, w="majority")
        self.seconds = 1.0  # that a command takes
        self.encoder = load_encoder("hashing:64")
        self._targets: dict[int, Target] = {}
        self._contents: dict[tuple[int, int, int, str], Content] = {}
        self._files = 0
        self._running: list[Command] = []

    def close(self) -> None:
        """What still runs, because a step was broken off, is killed: a follower has no end."""
        for command in self._running:
            command.signal(signal.SIGKILL)
        for target in self._targets.values():
            target.close()
        self.client.close()

    def asked(self, work: Callable[[], Done]) -> Done:
        """Once more while a fault lasts that was made on purpose."""
        deadline = time.monotonic() + _SECONDS
        while True:
            try:
                return work()
            except (PyMongoError, OSError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    @contextmanager
    def database(self, name: str) -> Iterator[Database[Any]]:
        yield self.client[name]
        self.asked(lambda: self.client.drop_database(name))

    # Commands

    def corpus(self, op: Op) -> Path:
        self._files += 1
        path = self.folder / f"corpus_{self._files}.jsonl"
        lines = [json.dumps({"id": i, "text": text(int(i[1:]), op.edition)}) for i in op.ids]
        self.chance.shuffle(lines)
        path.write_text("".join(f"{line}\n" for line in lines))
        return path

    def start(self, database: str, op: Op, *, wait: float = 0, dims: int = 0) -> Command:
        """`dims`: of the models of a collection that is new."""
        options: list[object] = [] if op.kind == "ingest" else [f"--{op.kind}"]
        if op.kind in _SUB_COMMANDS:
            options = [op.kind]
        if op.ids:
            options += [self.corpus(op), "--source", op.source]
        if op.kind == "rebuild":
            dims, wait = op.dims, _SECONDS
        elif op.ids:
            options += CHUNKS
        return self.command(database, *options, wait=wait, dims=dims)

    def command(self, database: str, *options: object, wait: float = 0, dims: int = 0) -> Command:
        self._files += 1
        common = ["--wait", wait, "--retry-for", _SECONDS, "--json"]
        if options[0] not in _SUB_COMMANDS:
            common += ["--rejects", self.folder / f"rejects_{self._files}.jsonl"]
        else:
            common = ["--wait", _SECONDS, "--json"]
        models = f"hashing:{dims}"
        named = {"LEAF_TEACHER": models, "LEAF_STUDENT": models, "LEAF_STORAGE": "full"}
        environ = {**os.environ, "MONGODB_URI": self.uri, "LEAF_DATABASE": database}
        if dims:
            environ |= named
        self._running = [each for each in self._running if not each.has_closed]
        self._running.append(Command("leaf-ingest", *options, *common, environ=environ))
        return self._running[-1]

    def finish(self, start: Callable[[], Command], *, kills: int = 0) -> None:
        """Until it ends well; only faults that were made on purpose end it otherwise.

        First it is killed up to so many times, at any moment.
        """
        for _ in range(kills):
            command = start()
            if command.ends_in(self.chance.uniform(0.05, 1.1) * self.seconds):
                done = self.judged(command.ended())
            else:
                done = self.judged(command.kill())
                self.ledger.kills += 1
            if done.returncode in _ENDED_WELL:
                return
        for _ in range(_TRIES):
            begun = time.monotonic()
            done = self.judged(start().ended(seconds=_SECONDS * 2))
            if done.returncode in _ENDED_WELL:
                took = min(5.0, time.monotonic() - begun)
                self.seconds = 0.8 * self.seconds + 0.2 * took
                return
            time.sleep(0.5)
        raise Violation(f"{done.args} does not end well: {done.stderr}")

    def judged(self, done: "CompletedProcess[str]") -> "CompletedProcess[str]":
        """Return the command, after it has ended in a way that a command may."""
        code = done.returncode
        if code not in (*_ENDED_WELL, 1, 130, -signal.SIGKILL, -signal.SIGTERM):
            raise Violation(f"{done.args} ends with {code}: {done.stderr}")
        if "Traceback" in done.stderr:
            raise Violation(f"{done.args}: {done.stderr}")
        lines = [line for line in done.stderr.splitlines() if line.startswith("leaf-ingest: ")]
        if code == 1:
            if not lines:
                raise Violation(f"{done.args} fails without a line")
            self.ledger.add(self.ledger.lines, re.sub(r"\S*\d\S*", "#", lines[-1])[13:150])
        self.ledger.add(self.ledger.endings, f"exit {code}")
        return done

    def clean(self) -> None:
        shutil.rmtree(self.folder)
        self.folder.mkdir()

    # What is there

    def stored(self, database: str, collection: str = "chunks") -> list[dict[str, Any]]:
        settled = self.client[database].get_collection(
            collection, read_concern=ReadConcern("majority")
        )
        return self.asked(lambda: list(settled.find()))

    def generations(self, database: str) -> Generations:
        return self.asked(lambda: read_generations(self.client[database], "chunks"))

    def found(self, database: str) -> dict[str, Value | None]:
        """The documents of the generation that searches use; None for one that is not whole."""
        manifest = self.generations(database).active
        by_document: dict[str, set[tuple[Any, ...]]] = {}
        for chunk in self.stored(database):
            if chunk.get("generation", 1) == manifest.generation:
                content = _content(chunk, chunk.get(manifest.path))
                by_document.setdefault(chunk["document"], set()).add(content)
        dims = manifest.teacher.dimensions
        return {d: self._value(d, frozenset(c), dims) for d, c in by_document.items()}

    def content(self, number: int, edition: int, source: str, dims: int) -> Content:
        key = (number, edition, source, dims)
        if key not in self._contents:
            document = Document(f"d{number}", text(number, edition), source=source)
            self._contents[key] = self.content_of(document, dims)
        return self._contents[key]

    def content_of(self, document: Document, dims: int) -> Content:
        target = self._target(dims)
        chunks, manifest = target.chunker.split(document), target.manifest
        planned = plan(document, digest_of(document, manifest), chunks, {}, manifest)
        rows = target.teacher.encode_documents([chunk.encoded_text for chunk in chunks])
        vectors = manifest.codec.compress(rows)
        fields = [planned.fields(chunk, manifest) for chunk in chunks]
        return frozenset(map(_content, fields, vectors))

    def _target(self, dims: int) -> Target:
        """The name of a collection that is never made."""
        if dims not in self._targets:
            names = f"hashing:{dims}"
            settings = load({}, teacher=names, student=names, storage="full", collection="none")
            choices = Choices(chunk_tokens=24, chunk_overlap=4)
            self._targets[dims] = self.asked(
                lambda: open_target(self.client["endure_none"], settings, choices)
            )
        return self._targets[dims]

    def _value(self, document: str, content: Content, dims: int) -> Value | None:
        sources = {source for *_, source, _ in content}
        if len(sources) == 1 and (source := sources.pop()):
            for edition in range(4):
                if content == self.content(int(document[1:]), edition, source, dims):
                    return Value(edition, source)
        return None


def _content(fields: dict[str, Any], vector: Any) -> tuple[Any, ...]:
    names = ("position", "text", "hash", "version", "source")
    return (*(fields.get(name) for name in names), bytes(vector or b""))


def difference(found: dict[str, Value | None], wanted: Sequence[Docs]) -> str:
    """From the nearest of what was expected."""

    def wrong(docs: Docs) -> list[str]:
        return sorted(d for d in found.keys() | docs.keys() if found.get(d) != docs.get(d))

    nearest = min(wanted, key=lambda docs: len(wrong(docs)))
    some = wrong(nearest)
    shown = "; ".join(f"{d}: {found.get(d, 'lost')}, not {nearest.get(d)}" for d in some[:4])
    return f"{len(some)} documents are wrong ({shown})"


def waits(condition: Callable[[], bool], seconds: float = _SECONDS) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
