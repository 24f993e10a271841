"""What the run in a folder of work was asked for, so that no other one goes on from it."""

import json
from dataclasses import asdict
from typing import Any

from distill.errors import DistillError
from distill.order import Order

_SETTINGS = "run.json"


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
    order.work.mkdir(parents=True, exist_ok=True)
    (order.work / _SETTINGS).write_text(json.dumps(_settings(order), indent=2))


def _settings(order: Order) -> dict[str, Any]:
    """As JSON gives them back."""
    told = {"teacher": order.teacher, "student": order.student, "layers": list(order.layers)}
    found: dict[str, Any] = json.loads(json.dumps({**told, "recipe": asdict(order.recipe)}))
    return found


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    return {**settings.pop("recipe"), **settings}
