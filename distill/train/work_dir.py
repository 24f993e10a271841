"""The folder that a killed run goes on from: whose it is, what was asked, its end."""

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
from leafsearch.distill.order import Order
from leafsearch.vectors.encoders import find_model

_SETTINGS, _LOCK = "run.json", "lock"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """By this process alone. Raises DistillError if another one has it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DistillError(f"{folder}: another process is distilling there") from error
        yield


def demand_same(order: Order) -> None:
    """A folder of work goes on with what it began with."""
    file = order.work / _SETTINGS
    if not file.is_file():
        return
    before, asked = _flat(json.loads(file.read_text())), _flat(_settings(order))
    if other := [name for name in asked if before.get(name) != asked[name]]:
        told = ", ".join(f"{name} {before.get(name)} there, {asked[name]} here" for name in other)
        raise DistillError(
            f"{order.work} holds a run with other settings ({told}); remove it, or give another "
            "--work"
        )


def remember(order: Order) -> None:
    part = order.work / f"{_SETTINGS}.part"
    part.write_text(json.dumps(_settings(order), indent=2))
    os.replace(part, order.work / _SETTINGS)


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _settings(order: Order) -> dict[str, Any]:
    """As JSON gives them back."""
    told = {
        "teacher": order.teacher,
        "student": order.student,
        "student_revision": find_model(order.student).revision if order.student else None,
        "layers": list(order.layers),
    }
    found: dict[str, Any] = json.loads(json.dumps({**told, "recipe": asdict(order.recipe)}))
    return found


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    return {**settings.pop("recipe"), **settings}
