"""What a run reports about generations, and the runs that only switch or retire them."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from pymongo.database import Database

from leafsearch.config.hint import hint
from leafsearch.config.text import counted, strip_controls
from leafsearch.ingest.cli.console import say
from leafsearch.ingest.cli.request import IngestRequest
from leafsearch.ingest.generations.cutover import (
    cut_over,
    require_nothing_lost,
    require_whole,
    roll_back,
)
from leafsearch.ingest.generations.retire import retire
from leafsearch.ingest.pipeline.stats import Summary
from leafsearch.ingest.target.target import Target
from leafsearch.vectors import Manifest, explain_errors
from leafsearch.vectors.store import find_generations, forget_unnamed


def _hint(database: Database[Any], name: str, *arguments: str) -> str:
    return hint("leaf-ingest", *arguments, database=database.name, collection=name)


def complete(
    order: IngestRequest,
    database: Database[Any],
    target: Target,
    summary: Summary,
    *,
    on_status: Callable[[str], None],
) -> None:
    """End a run that has written everything: switch searches over if it is a rebuild."""
    name, generation = target.collection.mongo.name, target.manifest.generation
    rollback, retire = (_hint(database, name, verb) for verb in ("rollback", "retire"))
    with explain_errors():
        seen = find_generations(database, name)
    if seen is None:  # nothing could be written
        return
    finish = f"run {rollback} to go back, or {retire} to delete the old generation"
    if not order.rebuild:
        target.require_active()
        if seen.next is not None:
            say(
                f"generation {seen.next.generation} of {name} is not finished, and this run wrote "
                f"nothing into it: {_hint(database, name, 'PATH', '--rebuild')} finishes it, "
                f"{retire} drops it"
            )
        return
    if seen.active.generation == generation:
        if order.wait:
            target.wait_until_ready(summary.last_written, seconds=order.wait, on_status=on_status)
        say(f"searches use generation {generation} already; {finish}")
        return
    require_whole(database, name, target.manifest, rejected=summary.rejected, yes=order.yes)
    chunk = summary.last_written
    cut_over(database, name, generation, chunk=chunk, seconds=order.wait, on_status=on_status)
    with explain_errors():
        forget_unnamed(database)
    if not order.yes and not target.registration.was_alone():
        # Retried by itself: the switch before it is done.
        target.retries.run(
            lambda: require_nothing_lost(database, name, seen.active, target.manifest)
        )
    say(f"searches switched from {_shown(seen.active)} to {_shown(target.manifest)}; {finish}")


def run_rollback(database: Database[Any], name: str, *, wait: float, as_json: bool) -> None:
    now = roll_back(database, name, seconds=wait, on_status=lambda status: None)
    with explain_errors():
        forget_unnamed(database)
    kept, again = now.other, _hint(database, name, "PATH", "--rebuild")
    _print(
        {"generation": now.active.generation, "kept": kept.generation if kept else None},
        f"searches of {name} use {_shown(now.active)}; "
        f"{_shown(kept) if kept else 'nothing'} is kept: {again} switches to it again, "
        f"{_hint(database, name, 'retire')} deletes it",
        as_json=as_json,
    )


def run_retire(database: Database[Any], name: str, *, wait: float, as_json: bool) -> None:
    done = retire(database, name, seconds=wait, on_status=lambda status: None)
    deleted = (
        f"deleted {counted(done.chunks, 'chunk')} and "
        f"{counted(done.indexes, 'search index', 'search indexes')}"
    )
    if done.transforms:
        which = counted(done.transforms, "transform", "transforms")
        deleted += f", and {which} that no collection of {database.name} uses"
    what = (
        f"{deleted}; {name} keeps only generation {done.generation}"
        if done.chunks or done.indexes or done.transforms
        else f"nothing to delete: {name} has only generation {done.generation}"
    )
    _print(asdict(done), what, as_json=as_json)


def _shown(manifest: Manifest) -> str:
    return f"generation {manifest.generation} ({manifest.teacher.name}, {manifest.codec.form})"


def _print(numbers: dict[str, Any], text: str, *, as_json: bool) -> None:
    print(json.dumps(numbers) if as_json else strip_controls(text))
