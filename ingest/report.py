"""What a run says of itself: a moving line while it works, a summary at its end."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ingest.pipeline import Summary
from ingest.target import Target


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """A line on stderr that is replaced by each next one; nothing unless a terminal sees it."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as p:
        task = p.add_task("connecting")
        yield lambda text: p.update(task, description=text)


def line(summary: Summary) -> str:
    return (
        f"{summary.documents:,} documents, {summary.chunks:,} chunks, "
        f"{summary.encoded:,} encoded, {summary.rejected:,} rejected"
    )


def as_object(summary: Summary, target: Target) -> str:
    numbers = {k: v for k, v in asdict(summary).items() if k != "last_written"}
    return json.dumps({"collection": target.collection.mongo.full_name, **numbers})


def as_text(summary: Summary, target: Target) -> str:
    manifest, collection = target.manifest, target.collection
    quantized = f", {manifest.quantization} quantization" if manifest.quantization != "none" else ""
    return (
        f"{summary.documents:,} documents in {summary.chunks:,} chunks: {summary.encoded:,} "
        f"encoded, {summary.updated:,} updated, {summary.unchanged:,} unchanged, "
        f"{summary.removed:,} removed ({summary.seconds:.1f} s)\n"
        f"{collection.mongo.full_name} holds {collection.count():,} chunks as "
        f"{manifest.dimensions} x {manifest.precision}{quantized}, {manifest.codec.size:,} bytes "
        "a vector"
    )
