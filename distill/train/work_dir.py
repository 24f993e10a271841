"""The work folder, from which a killed run resumes: its lock, its settings, its removal."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from leafsearch.distill.errors import DistillError
from leafsearch.distill.request import DistillRequest
from leafsearch.vectors.encoders import find_model

_SETTINGS, _LOCK = "run.json", "lock"


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Lock the folder. Raises DistillError if another process has it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DistillError(f"{folder}: another process is distilling in it") from error
        yield


def require_same(order: DistillRequest) -> None:
    """Raises DistillError if the folder was begun with other settings."""
    file = order.work / _SETTINGS
    if not file.is_file():
        return
    before, asked = _flat(json.loads(file.read_text())), _flat(_settings(order))
    if other := [name for name in asked if before.get(name) != asked[name]]:
        shown = ", ".join(f"{name} {before.get(name)} there, {asked[name]} here" for name in other)
        raise DistillError(
            f"{order.work} holds a run with other settings ({shown}); remove it, or give another "
            "--work"
        )


def remember(order: DistillRequest) -> None:
    part = order.work / f"{_SETTINGS}.part"
    part.write_text(json.dumps(_settings(order), indent=2))
    os.replace(part, order.work / _SETTINGS)


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _settings(order: DistillRequest) -> dict[str, Any]:
    """The settings as JSON returns them."""
    named: dict[str, Any] = {
        "teacher": order.teacher,
        "student": order.student,
        "student_revision": find_model(order.student).revision if order.student else None,
        "layers": list(order.layers),
    }
    recipe = asdict(order.static) if order.static else asdict(order.recipe)
    if order.static:
        named["static"] = True
    found: dict[str, Any] = json.loads(json.dumps({**named, "recipe": recipe}))
    return found


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    return {**settings.pop("recipe"), **settings}
