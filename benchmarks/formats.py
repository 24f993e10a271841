"""Compare libraries that read office documents and markup, each in an environment of its own.

    .venv/bin/python -m benchmarks.formats [--small] [--json FILE] [--environments FOLDER]

Every library converts the documents of tests/data/documents, in which the words to find are known.
The table says what each kept: words, headings with their level, table rows, code lines; how large
its installation is, without Python and pip; and how long it took. A library whose environment is
not in FOLDER is installed there by pip, which takes minutes for some; one that cannot be installed
is left out with its error. docling needs torch (6 GB) and is only run if its environment is there.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measuring import circumstances

ROOT = Path(__file__).parents[1]
DOCUMENTS = ROOT / "tests/data/documents"
_CONVERTERS = Path(__file__).with_name("format_converters.py")
# The module is imported by the Python of each library's environment.
_CALL = (
    "import sys; sys.path.append(sys.argv.pop(1)); "
    "import format_converters; format_converters.main(*sys.argv[1:])"
)
_SECONDS = 600  # for one library with all its files
_BY_HAND = {"docling"}


@dataclass(frozen=True)
class Library:
    """`endings` are those that it is asked for; empty for all."""

    name: str
    packages: tuple[str, ...]
    endings: tuple[str, ...] = ()


LIBRARIES = (
    Library("kreuzberg", ("kreuzberg",)),
    Library("xberg", ("xberg",)),
    Library("markitdown", ("markitdown[all]",)),
    Library("docling", ("docling", "odfdo")),
    Library("pandoc", ("pypandoc_binary",)),
    Library("mammoth", ("mammoth",), (".docx",)),
    Library("docx2python", ("docx2python",), (".docx",)),
    Library("odfdo", ("odfdo",), (".odt", ".odp")),
    Library("striprtf", ("striprtf",), (".rtf",)),
    Library("latex2text", ("pylatexenc",), (".tex",)),
)

_TEXT = """
    alphaheading alphaone boldword italicword linkword bulletone bullettwo nestedbullet bulletthree
    numberone numbertwo betaheading footnoteone footnotetwo cellone 9.80 celltwo 12.50 gammaheading
    codeone quoteone termone definitionone Ünïcödé Ελληνικά 日本語のテキスト עברית deltaheading
    lastword AT&T
"""
_FORMULAS = "mathone displayone"
_WORD = """
    alphaheading boldword bulletone nestedbullet numberone numbertwo betaheading cellone innercell
    9.80 insertedword commentword textboxword contentcontrolword smarttagword hyphenword aftertab
    afterbreak fieldword lastword AT&T <tag> 日本語のテキスト
"""
_SLIDES = """
    alphatitle bulletone nestedbullet speakernote betatitle groupedword cellone 9.80 chartcategory
    seriesword
"""
_SIGNS = {"&lt;": "<", "&gt;": ">", "&amp;": "&", "\\": "", "*": "", "_": ""}
_HEADING = re.compile(r"^#+ .*(?:alpha|beta|gamma|delta)(?:heading|title)", re.MULTILINE)
_ROW = re.compile(r"^\|[^\n]*cellone[^\n]*\|[^\n]*9\.80", re.MULTILINE)
_LINES = re.compile(r"def codeone\(x\):\n    return x \+ 1\n")


def words_of(name: str) -> list[str]:
    """The words that are in a file. Programs that read another's document drop some."""
    if name.startswith("python-"):
        return (_WORD if name.endswith("docx") else _SLIDES).split()
    drawn = name.startswith(("libreoffice", "abiword"))
    return (_TEXT if drawn else _TEXT + _FORMULAS).split()


def judged(name: str, text: str) -> dict[str, Any]:
    plain = text
    for sign, meant in _SIGNS.items():
        plain = plain.replace(sign, meant)
    words = words_of(name)
    missing = [word for word in words if word.replace("_", "") not in plain]
    is_text = not name.startswith("python-")
    return {
        "words": len(words),
        "missing": missing,
        "headings": len(_HEADING.findall(text.replace("*", ""))),
        "row": bool(_ROW.search(text)),
        "code": bool(_LINES.search(text.replace("\\", ""))) if is_text else None,
    }


def environment(library: Library, folder: Path) -> Path | None:
    """The Python of a library's environment, made where it is missing; None if it cannot be."""
    python = folder / library.name / "bin/python"
    if python.exists():
        return python
    if library.name in _BY_HAND:
        print(f"{library.name}: not in {folder}, and too large to install unasked", file=sys.stderr)
        return None
    subprocess.run([sys.executable, "-m", "venv", folder / library.name], check=True)
    done = subprocess.run(
        [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *library.packages],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(f"{library.name}: cannot be installed: {done.stderr[-300:]}", file=sys.stderr)
        return None
    return python


def megabytes(python: Path) -> float:
    """What is installed beside pip and setuptools, compiled files left out."""
    (packages,) = python.parents[1].glob("lib/python*/site-packages")
    tools = re.compile(r"(?:pip|setuptools|pkg_resources|_distutils_hack|wheel)\b")
    files = (path for path in packages.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return (
        sum(p.stat().st_size for p in files if not tools.match(p.relative_to(packages).parts[0]))
        / 1e6
    )


def converted(python: Path, name: str, paths: list[Path], rounds: int) -> Mapping[str, Any]:
    done = subprocess.run(
        [python, "-P", "-c", _CALL, _CONVERTERS.parent, name, str(rounds), *paths],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=_SECONDS,
        check=True,
    )
    found: Mapping[str, Any] = json.loads(done.stdout.rstrip().rpartition("\n")[2])
    return found


def rows_of(
    name: str, python: Path, endings: tuple[str, ...], rounds: int
) -> Iterator[dict[str, Any]]:
    paths = [
        path
        for path in sorted(DOCUMENTS.iterdir())
        if path.suffix not in (".md", ".doc") and (not endings or path.suffix in endings)
    ]
    found = converted(python, name, paths, rounds)
    for path in paths:
        result = found[str(path)]
        row = {"library": name, "file": path.name, "bytes": path.stat().st_size}
        if "error" in result:
            yield {**row, "error": result["error"]}
        else:
            times = result["ms"][1:] or result["ms"]
            yield {**row, **judged(path.name, result["text"]), "ms": statistics.median(times)}


def summaries(rows: list[dict[str, Any]], sizes: Mapping[str, float]) -> Iterator[dict[str, Any]]:
    by_pair: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_pair[row["library"], row["file"].rpartition(".")[2]].append(row)
    for (library, ending), own in sorted(by_pair.items(), key=lambda pair: pair[0][::-1]):
        read = [row for row in own if "error" not in row]
        if not read:
            yield {"library": library, "format": ending, "error": own[0]["error"]}
            continue
        words = sum(row["words"] for row in own if "words" in row)
        yield {
            "library": library,
            "format": ending,
            "files": len(own),
            "unread": len(own) - len(read),
            "recall": 1 - sum(len(row["missing"]) for row in read) / words,
            "missing": sorted({word for row in read for word in row["missing"]}),
            "headings": sum(row["headings"] for row in read),
            "rows": sum(row["row"] for row in read),
            "code": sum(bool(row["code"]) for row in read),
            "ms": statistics.median(row["ms"] for row in read),
            "megabytes": sizes[library],
        }


def shown(row: Mapping[str, Any]) -> str:
    if "error" in row:
        return f"{row['format']:<6} {row['library']:<12} not read: {row['error'][:80]}"
    missing = " ".join(row["missing"][:6])
    return (
        f"{row['format']:<6} {row['library']:<12} {row['recall']:>6.1%} of words, "
        f"{row['headings']:>2} headings, rows in {row['rows']}, code in {row['code']} of "
        f"{row['files']}, {row['ms']:>6.1f} ms  {missing}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", action="store_true", help="measure ours alone")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--environments", type=Path, default=ROOT / ".venv/format-libraries")
    given = parser.parse_args()
    machine = circumstances("docutils", "lxml", "pylatexenc", "tree-sitter")
    machine["command"] = "python -m benchmarks.formats"  # without folders of this machine
    rounds = 2 if given.small else 3
    rows = list(rows_of("leafsearch", Path(sys.executable), (), rounds))
    sizes = {"leafsearch": own_megabytes()}
    for library in () if given.small else LIBRARIES:
        python = environment(library, given.environments)
        if python is not None:
            sizes[library.name] = megabytes(python)
            try:
                rows += rows_of(library.name, python, library.endings, rounds)
            except subprocess.SubprocessError as error:
                print(f"{library.name}: failed: {str(error)[-200:]}", file=sys.stderr)
    table = list(summaries(rows, sizes))
    for row in table:
        print(shown(row))
    for name, size in sizes.items():
        print(f"{name:<12} {size:,.0f} MB installed")
    if given.json:
        given.json.write_text(
            json.dumps({**machine, "sizes": sizes, "formats": table}, indent=1, ensure_ascii=False)
        )


def own_megabytes() -> float:
    """The libraries that these formats need beside those of HTML."""
    from importlib.metadata import distributions

    wanted = re.compile(r"(?:docutils|pylatexenc|tree.sitter.*|lxml|html.to.markdown)\Z")
    files = (
        file.locate()
        for found in distributions()
        if wanted.match((found.metadata["Name"] or "").lower())
        for file in found.files or ()
        if not str(file).endswith(".pyc")
    )
    return sum(Path(str(path)).stat().st_size for path in files if Path(str(path)).exists()) / 1e6


if __name__ == "__main__":
    main()
