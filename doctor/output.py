"""Findings on stdout: a line each, for people or as JSON."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from bson import json_util
from rich.console import Console
from rich.text import Text

from leafsearch.config.text import one_line
from leafsearch.doctor.findings import Finding, Level

_STYLES = {
    Level.OK: "green",
    Level.WARNING: "yellow",
    Level.PROBLEM: "bold red",
    Level.SKIPPED: "dim",
}
_CHECK_WIDTH = 18


def print_finding(finding: Finding, as_json: bool) -> None:
    if as_json:
        print(json_util.dumps(asdict(finding), json_options=json_util.RELAXED_JSON_OPTIONS))
        return
    word = "OK" if finding.level is Level.OK else finding.level.value
    line = Text(f"{word:<8} ", _STYLES[finding.level])
    line.append(f"{finding.check:<{_CHECK_WIDTH}} ", "bold")
    line.append(one_line(finding.message), "not bold default")
    Console(highlight=False).print(line, soft_wrap=True)


def print_summary(findings: Sequence[Finding]) -> None:
    counts = Counter(finding.level for finding in findings)
    told = [
        _counted(counts[level], word)
        for level, word in (
            (Level.PROBLEM, "problem"),
            (Level.WARNING, "warning"),
            (Level.SKIPPED, "not looked at"),
        )
        if counts[level]
    ]
    Console(highlight=False).print(
        f"{len(findings)} checks: {', '.join(told) or 'all is well'}", soft_wrap=True
    )


def _counted(number: int, word: str) -> str:
    plural = "s" if number != 1 and not word.startswith("not") else ""
    return f"{number} {word}{plural}"
