"""What a check says: a level, and one line with what was found, expected and to be done."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"  # it works, but could be better
    PROBLEM = "problem"  # searches fail, or miss what they should find
    SKIPPED = "skipped"  # could not be looked at; the message says why


@dataclass(frozen=True)
class Verdict:
    """`numbers` are for programs, by the names that the documentation gives."""

    level: Level
    message: str
    numbers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    check: str
    level: Level
    message: str
    numbers: Mapping[str, Any]


def ok(message: str, **numbers: Any) -> Verdict:
    return Verdict(Level.OK, message, numbers)


def warning(message: str, **numbers: Any) -> Verdict:
    return Verdict(Level.WARNING, message, numbers)


def problem(message: str, **numbers: Any) -> Verdict:
    return Verdict(Level.PROBLEM, message, numbers)


def skipped(message: str, **numbers: Any) -> Verdict:
    return Verdict(Level.SKIPPED, message, numbers)
