"""`leaf-ingest --explain FILE`: what is read of each document, and what is left out and why."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from leafsearch.config.text import counted, one_line, strip_controls
from leafsearch.ingest.document import Document, Rejected
from leafsearch.ingest.pipeline.remarks import share_left_out
from leafsearch.ingest.sources.files.corpus import Corpus

_SHOWN = 160  # characters of a part that was left out


def explain(corpus: Corpus, *, as_json: bool) -> int:
    """Print a paragraph for each document, or a JSON object a line; returns the number of
    rejected records. Records of a table that are read whole are only counted, except in JSON.
    Needs no model and no MongoDB."""
    rejected = 0
    whole: Counter[str] = Counter()
    for record in corpus.records():
        rejected += isinstance(record, Rejected)
        if as_json:
            print(json.dumps(_as_object(record), default=str))
        elif isinstance(record, Document) and _is_plain(record):
            whole[record.place.source] += 1
        else:
            print(strip_controls("\n".join(_lines(record))))
    for source, count in whole.items():
        print(strip_controls(f"{source}: {counted(count, 'record')}; nothing was left out"))
    return rejected


def _is_plain(record: Document) -> bool:
    """Whether it is a row or line of a file, with nothing to say about it."""
    return record.place.line is not None and not record.omissions and not record.notes


def _as_object(record: Document | Rejected) -> dict[str, Any]:
    if isinstance(record, Rejected):
        return {"source": str(record.place), "rejected": record.reason}
    return {
        "source": str(record.place),
        "id": record.id,
        "title": record.title,
        "text": record.text,
        "metadata": dict(record.metadata),
        "places": [{"offset": m.offset, **m.place} for m in record.marks],
        "words": record.words,
        "left_out": [
            {"words": o.words, "reason": o.reason, "begins": o.text} for o in record.omissions
        ],
        "notes": list(record.notes),
    }


def _lines(record: Document | Rejected) -> Iterator[str]:
    if isinstance(record, Rejected):
        yield f"{record.place}: rejected: {one_line(record.reason)}"
        return
    title = f", title {one_line(record.title)!r}" if record.title else ""
    yield f"{record.place}: document {one_line(record.id)}{title}"
    stored = len(record.text.split())
    if record.omissions:
        yield (
            f"  {counted(stored, 'word')} of text; {record.words_left_out:,} of "
            f"{counted(record.words, 'visible word')} left out ({share_left_out(record):.1%}):"
        )
    else:
        yield f"  {counted(stored, 'word')} of text; nothing was left out"
    for part in sorted(record.omissions, key=lambda part: -part.words):
        text = one_line(part.text)
        text = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
        yield f"  {part.words:>6,}  {part.reason}: {text}"
    for note in record.notes:
        yield f"  note: {one_line(note)}"
