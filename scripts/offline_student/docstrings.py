"""Docstrings of Python sources, read without importing them, and topics of Python's `help()`."""

import ast
import platform
import re
import sysconfig
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from offline_student.fetch import Downloads
from offline_student.material import Material, Origin, paragraphs

SKIPPED = {"test", "tests", "site-packages", "dist-packages", "idle_test", "_vendor", "lib2to3"}
LISTS = (
    "Parameters|Other Parameters|Returns|Yields|Raises|Attributes|Methods|Examples?|References"
    "|See Also|Args|Arguments"
)
# Underlined as numpy does, or with a colon and what follows further in as Google does.
SECTIONS = re.compile(rf"\n[ \t]*(?:{LISTS}):?[ \t]*\n(?=[ \t]*[-=]{{3}}|[ \t]+\S)")
NO_PROSE = (".. ", "- ", "* ", "@", "$", "\\", "|", ":param", "#")
HEADING = re.compile(r"^(?:[A-Z]\w+(?: \w+)?\s)?[-=~^\"]{3,}\s*")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def gather_python(_: Downloads) -> Material:
    from pydoc_data.topics import topics

    gathered = Material([Origin("Python", platform.python_version(), "PSF-2.0")])
    for topic in topics.values():
        gathered.texts += filter(is_sentence, paragraphs(topic))
    gathered.texts += docstrings(Path(sysconfig.get_paths()["stdlib"]))
    return gathered


@dataclass(frozen=True)
class Packages:
    """Names of packages of the index and the licence of each."""

    licences: dict[str, str]

    def gather(self, downloads: Downloads) -> Material:
        gathered = Material([])
        for package, licence in self.licences.items():
            unpacked = downloads.wheel(package)
            gathered.origins.append(Origin(unpacked.package, unpacked.version, licence))
            gathered.texts += docstrings(unpacked.root)
        return gathered


def docstrings(root: Path) -> Iterator[str]:
    """Paragraphs that are prose: no examples, no lists of parameters."""
    for path in sorted(root.rglob("*.py")):
        if not SKIPPED.intersection(path.relative_to(root).parts[:-1]):
            yield from docstrings_of(path.read_text("utf-8", "replace"))


def docstrings_of(source: str) -> Iterator[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in other people's strings
            tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and (text := ast.get_docstring(node)):
            yield from prose(text)


def prose(text: str) -> Iterator[str]:
    """Up to the lists of parameters, returns and references; notes after them count again."""
    before, *sections = SECTIONS.split(text)
    notes = [section.partition("\nNotes\n")[2] for section in sections]
    for part in (before, *notes):
        for block in filter(is_sentence, paragraphs(part)):
            yield HEADING.sub("", block)


def is_sentence(block: str) -> bool:
    code = ">>>" in block or "::=" in block or block.startswith(NO_PROSE)
    return not code and block.count(" ") > 3
