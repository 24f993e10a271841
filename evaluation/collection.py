"""Test collections in BEIR's format, in a folder or in a zip file.

corpus.jsonl       {"_id": ..., "title": ..., "text": ...} a line; the title may be missing
queries.jsonl      {"_id": ..., "text": ...}
qrels/SPLIT.tsv    query-id, corpus-id, score, with or without a header
"""

import json
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from leafsearch.config.text import counted, quote
from leafsearch.evaluation.errors import EvalError
from leafsearch.evaluation.measures import Grades


@dataclass(frozen=True)
class TextFile:
    """One text file of the collection, in a folder or in a zip."""

    shown: str
    path: Path | zipfile.Path

    def lines(self) -> Iterator[tuple[str, str]]:
        """Each line that is not blank, with its place for messages."""
        with self.path.open("r", encoding="utf-8-sig") as opened:
            try:
                for number, line in enumerate(opened, 1):
                    if line.strip():
                        yield f"{self.shown}:{number}", line
            except UnicodeDecodeError as error:
                raise EvalError(f"{self.shown} is not UTF-8: {error}") from error


def find_files(path: Path) -> dict[str, TextFile]:
    """Files by their path inside the collection, which may be one folder of the zip."""
    if path.is_dir():
        found = [p for p in (*path.glob("*.jsonl"), *path.glob("qrels/*.tsv"))]
        return {p.relative_to(path).as_posix(): TextFile(str(p), p) for p in found}
    if not path.is_file():
        raise EvalError(f"{path}: no such folder or zip file; expected one in BEIR's format")
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise EvalError(f"{path} is not a zip file; expected a folder or a zip file") from error
    root = next((str(PurePosixPath(n).parent) for n in archive.namelist() if _is_corpus(n)), ".")
    names = [n for n in archive.namelist() if n.endswith((".jsonl", ".tsv"))]
    inside = [n for n in names if root == "." or n.startswith(f"{root}/")]
    return {
        n if root == "." else n.removeprefix(f"{root}/"): TextFile(
            f"{path}/{n}", zipfile.Path(archive, n)
        )
        for n in inside
    }


def _is_corpus(name: str) -> bool:
    return PurePosixPath(name).name == "corpus.jsonl"


def require_files(path: Path, files: Mapping[str, TextFile], wanted: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in files]
    if not missing:
        return
    splits = sorted(PurePosixPath(f).stem for f in files if f.startswith("qrels/"))
    hint = f"; --split can be {', '.join(splits)}" if splits and missing == [wanted[2]] else ""
    raise EvalError(
        f"{path} has no {', '.join(missing)}; expected {', '.join(wanted)}, as BEIR has them{hint}"
    )


@dataclass(frozen=True)
class BeirPassage:
    id: str
    title: str
    text: str

    @property
    def encoded(self) -> str:
        """Title and text as BEIR joins them, so that figures compare with published ones."""
        return f"{self.title} {self.text}".strip()


@dataclass(frozen=True)
class TestCollection:
    """`queries` have judgments; `warnings` say what was skipped, and count."""

    __test__ = False  # pytest would take it for a test

    name: str
    passages: Sequence[BeirPassage]
    queries: Mapping[str, str]
    judgments: Mapping[str, Grades]
    warnings: Sequence[str]

    @property
    def has_queries_among_documents(self) -> bool:
        """Whether a query has the id of a document, which is then no hit for it."""
        return any(passage.id in self.queries for passage in self.passages)

    def part(self, count: int) -> "TestCollection":
        """The first `count` documents, with the judgments and queries about them."""
        passages = self.passages[:count]
        ids = {passage.id for passage in passages}
        judgments = {
            query: kept
            for query, grades in self.judgments.items()
            if (kept := {id: grade for id, grade in grades.items() if id in ids})
        }
        queries = {query: self.queries[query] for query in judgments}
        return replace(self, passages=passages, queries=queries, judgments=judgments)


def read_collection(path: Path, *, split: str = "test") -> TestCollection:
    """Raises EvalError that names every missing file, or the line that cannot be read."""
    files = find_files(path)
    wanted = ("corpus.jsonl", "queries.jsonl", f"qrels/{split}.tsv")
    require_files(path, files, wanted)
    passages = [_passage(*record) for record in _records(files["corpus.jsonl"])]
    _require_unique([p.id for p in passages], files["corpus.jsonl"])
    texts = [(_id(*r), _text(r[0], r[1], "text")) for r in _records(files["queries.jsonl"])]
    _require_unique([id for id, _ in texts], files["queries.jsonl"])
    judgments = _judgments(files[wanted[2]])
    return _sound(path.stem, passages, dict(texts), judgments)


def _sound(
    name: str,
    passages: Sequence[BeirPassage],
    texts: Mapping[str, str],
    judgments: Mapping[str, Grades],
) -> TestCollection:
    """Skip and count what cannot be measured."""
    ids = {p.id for p in passages}
    asked = {id: texts[id] for id in judgments if id in texts}
    full = {id: text for id, text in asked.items() if text.strip()}
    hopeless = sum(all(grade <= 0 for grade in judgments[id].values()) for id in full)
    strangers = sum(doc not in ids for id in full for doc in judgments[id])
    if strangers == sum(len(judgments[id]) for id in full):
        raise EvalError(
            f"{name}: no judgment names a known query and a known document; expected "
            "query-id, corpus-id, score with the _id of queries.jsonl and of corpus.jsonl"
        )
    if hopeless == len(full):
        raise EvalError(
            f"{name}: no judgment is above 0; expected the grade 1 or more for what is relevant"
        )
    asking = [p for p in passages if p.id in full]
    are_same = any(full[p.id].strip() in p.encoded for p in asking)
    counts = (
        (
            len(judgments) - len(asked),
            "judged query is",
            "judged queries are",
            "not in queries.jsonl; skipped",
        ),
        (len(asked) - len(full), "query is", "queries are", "empty; skipped"),
        (
            hopeless,
            "query has",
            "queries have",
            "no relevant document; counted as 0, as in BEIR's evaluator",
        ),
        (
            strangers,
            "judgment is",
            "judgments are",
            "about documents not in the corpus; they count as not found, as in trec_eval",
        ),
        (
            sum(not p.encoded for p in passages),
            "document is",
            "documents are",
            "empty; encoded anyway",
        ),
        (
            len(asking),
            "query has",
            "queries have",
            "the id of a document; as in BEIR's evaluator, that document is no hit for it"
            + ("" if are_same else ". Their texts differ: give them other ids if that is chance"),
        ),
    )
    warnings = [f"{counted(n, one, many)} {what}" for n, one, many, what in counts if n]
    return TestCollection(name, passages, full, {id: judgments[id] for id in full}, warnings)


def _records(file: TextFile) -> Iterator[tuple[str, Mapping[str, object]]]:
    for place, line in file.lines():
        try:
            record = json.loads(line)
        except ValueError as error:
            raise EvalError(f"{place}: not JSON ({error}); expected one object a line") from error
        if not isinstance(record, dict):
            raise EvalError(f"{place}: expected a JSON object with _id and text")
        yield place, record


def _passage(place: str, record: Mapping[str, object]) -> BeirPassage:
    title = _text(place, record, "title") if record.get("title") is not None else ""
    return BeirPassage(_id(place, record), title, _text(place, record, "text"))


def _id(place: str, record: Mapping[str, object]) -> str:
    found = record.get("_id")
    if isinstance(found, bool) or not isinstance(found, str | int) or found == "":
        raise EvalError(f"{place}: _id is {quote(found)}; expected a string")
    return str(found)


def _text(place: str, record: Mapping[str, object], field: str) -> str:
    found = record.get(field)
    if not isinstance(found, str):
        raise EvalError(f"{place}: {field} is {quote(found)}; expected a string")
    return found


def _require_unique(ids: Sequence[str], file: TextFile) -> None:
    if not ids:
        raise EvalError(f"{file.shown} is empty; expected one JSON object a line")
    id, count = Counter(ids).most_common(1)[0]
    if count > 1:
        raise EvalError(f"{file.shown}: _id {quote(id)} occurs {count} times; expected it once")


def _judgments(file: TextFile) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for number, (place, line) in enumerate(file.lines()):
        parts = line.rstrip("\r\n").split("\t")
        try:
            query, document, grade = parts[0], parts[1], int(parts[2])
        except (IndexError, ValueError) as error:
            if number == 0:  # the header
                continue
            raise EvalError(
                f"{place}: {quote(line.strip())}; expected query-id, corpus-id and a whole number, "
                "with tabs between them"
            ) from error
        found.setdefault(query, {})[document] = grade
    return found
