"""What a check finds, and how it is printed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from bson import json_util
from rich.console import Console
from rich.text import Text

from leafsearch.config.text import counted, one_line

_CHECK_WIDTH = 18


class Severity(StrEnum):
    OK = "ok"
    WARNING = "warning"  # it works, but could be better
    PROBLEM = "problem"  # searches fail, or miss what they should find
    SKIPPED = "skipped"  # could not be looked at; the message says why


_STYLES = {
    Severity.OK: "green",
    Severity.WARNING: "yellow",
    Severity.PROBLEM: "bold red",
    Severity.SKIPPED: "dim",
}


@dataclass(frozen=True)
class Verdict:
    """`numbers` are for programs, by the names that the documentation gives."""

    level: Severity
    message: str
    numbers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    check: str
    level: Severity
    message: str
    numbers: Mapping[str, Any]


def ok(message: str, **numbers: Any) -> Verdict:
    return Verdict(Severity.OK, message, numbers)


def warning(message: str, **numbers: Any) -> Verdict:
    return Verdict(Severity.WARNING, message, numbers)


def problem(message: str, **numbers: Any) -> Verdict:
    return Verdict(Severity.PROBLEM, message, numbers)


def skipped(message: str, **numbers: Any) -> Verdict:
    return Verdict(Severity.SKIPPED, message, numbers)


def print_finding(finding: Finding, as_json: bool) -> None:
    if as_json:
        print(json_util.dumps(asdict(finding), json_options=json_util.RELAXED_JSON_OPTIONS))
        return
    word = "OK" if finding.level is Severity.OK else finding.level.value
    line = Text(f"{word:<8} ", _STYLES[finding.level])
    line.append(f"{finding.check:<{_CHECK_WIDTH}} ", "bold")
    line.append(one_line(finding.message), "not bold default")
    Console(highlight=False).print(line, soft_wrap=True)


def print_summary(findings: Sequence[Finding]) -> None:
    counts = Counter(finding.level for finding in findings)
    parts = [
        f"{counts[level]} skipped" if word == "skipped" else counted(counts[level], word)
        for level, word in (
            (Severity.PROBLEM, "problem"),
            (Severity.WARNING, "warning"),
            (Severity.SKIPPED, "skipped"),
        )
        if counts[level]
    ]
    Console(highlight=False).print(
        f"{len(findings)} checks: {', '.join(parts) or 'all is well'}", soft_wrap=True
    )
