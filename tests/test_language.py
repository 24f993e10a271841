"""Plain English: phrases that no reader should meet, in code, tests, documents and names."""

import ast
import functools
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = (
    *("config", "vectors", "ingest", "search", "doctor", "evaluation", "distill", "commands"),
    *("leafmongo", "tests", "scripts", "benchmarks", "src/leafsearch/__init__.py"),
)
BANNED = re.compile(
    r"(?<!there )\b(?:is|are|was|were) none\b(?!, )|\b(?:is|are|was|were) told\b|\bof now\b"
    r"|\b(?:anew|[Nn]obody|[Ww]hoever)\b"
)
SUSPECT = re.compile(r"anew|obody|hoever|of[\s_]+now|(?:is|are|was|were)[\s\"_]+(?:none|told)")
LOST_SUBJECT = re.compile(r"(?:Of|The same)\b")
CODE_SPAN = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)


def python_files() -> list[Path]:
    found = [path for name in FOLDERS for path in sorted((ROOT / name).rglob("*.py"))]
    found.append(ROOT / "src/leafsearch/__init__.py")
    return [path for path in found if path != Path(__file__)]


def documents() -> list[Path]:
    return sorted(
        path
        for pattern in ("*.md", "docs/*.md", "leafmongo/**/*.md", "benchmarks/*.md")
        for path in ROOT.glob(pattern)
        if ".venv" not in path.parts
    )


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def sentences(path: Path) -> Iterator[str]:
    """Comments, strings, and the names of functions and classes as words."""
    text = path.read_text()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield " ".join(node.value.split())
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name.replace("_", " ")


def docstrings(path: Path) -> Iterator[str]:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree(path)):
        if isinstance(node, kinds) and (text := ast.get_docstring(node)):
            yield text


def found(offences: Iterator[tuple[Path, str]]) -> list[str]:
    return [f"{path.relative_to(ROOT)}: {text}" for path, text in offences]


def test_code_has_no_banned_phrase() -> None:
    # Only files that have such words at all are taken apart, which is slow.
    suspects = [path for path in python_files() if SUSPECT.search(path.read_text())]
    offences = ((p, t) for p in suspects for t in sentences(p) if BANNED.search(t))

    assert found(offences) == []


def test_documents_have_no_banned_phrase() -> None:
    texts = ((p, " ".join(CODE_SPAN.sub(" ", p.read_text()).split())) for p in documents())

    assert found((p, phrase) for p, text in texts for phrase in BANNED.findall(text)) == []


def test_a_docstring_begins_with_its_subject_or_verb() -> None:
    offences = ((p, t) for p in python_files() for t in docstrings(p) if LOST_SUBJECT.match(t))

    assert found(offences) == []
