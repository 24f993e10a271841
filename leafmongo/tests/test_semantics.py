"""Every section of the notes on the real server has tests that name it.

The sections are those of the notes that `local` was made from: facts read from the server's public
source, each with its evidence. A test names its sections by `@pytest.mark.semantics("3.2")`.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

SECTIONS = {
    "0": "who refuses what, in which order; where in a pipeline a search may stand",
    "1.1": "definitions: their keys",
    "1.2": "definitions: entries of `fields`",
    "1.3": "definitions: types, ranges and messages",
    "2.1": "documents: encodings of vectors",
    "2.2": "documents: those that are skipped",
    "2.3": "documents: nestedRoot",
    "3.1": "queries: options",
    "3.2": "queries: queryVector",
    "3.3": "queries: an index that is missing or not ready",
    "3.4": "queries: results",
    "4.1": "filters: grammar",
    "4.2": "filters: types of values",
    "4.3": "filters: paths that are not declared",
    "4.4": "filters: what matches",
    "4.5": "filters: when they are applied",
    "5": "scores, their order, quantization",
    "6.1": "life cycle: commands and their codes",
    "6.2": "life cycle: entries of $listSearchIndexes",
    "6.3": "life cycle: status",
    "6.4": "life cycle: when writes are seen",
}


def named(source: str) -> Iterator[str]:
    """The sections that the marks in a file name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.semantics":
            yield from (ast.literal_eval(argument) for argument in node.args)


def test_every_section_has_tests() -> None:
    files = Path(__file__).parent.rglob("test_*.py")

    assert {section for file in files for section in named(file.read_text())} == set(SECTIONS)
