"""What our readers keep of documents by other programs, and how fast they are.

    .venv/bin/python -m benchmarks.format_corpora [--small] [--json FILE] [--folder FOLDER]

The documents are those that libraries test themselves with, such as Word's and PowerPoint's in
python-docx and python-pptx, and books and manuals of Debian packages. They are fetched by `pip
download` and `apt-get download` into FOLDER, unless they are there; what cannot be fetched is left
out with a message. The words of an office document are all that its XML holds outside deleted text
and field codes; of other formats only rejects and speed are shown.
"""

import argparse
import html
import io
import json
import re
import subprocess
import sys
import tarfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.measuring import circumstances

from leafsearch.ingest import Document
from leafsearch.ingest.sources.files.formats import format_of
from leafsearch.ingest.sources.files.records import Fields
from leafsearch.ingest.sources.readers import Whole, read

ROOT = Path(__file__).parents[1]
PYTHON = ("python-docx", "docx2python", "python-pptx", "odfdo", "nbconvert", "docutils")
DEBIAN = ("debian-policy", "developers-reference", "debmake-doc", "libpython3.11-testsuite")
# The parts of a document that hold its text.
PARTS = {
    ".docx": r"word/(?:document|footnotes|endnotes|comments)\.xml",
    ".pptx": r"ppt/(?:slides|notesSlides)/[^/]*\.xml",
    ".odt": r"content\.xml",
    ".epub": r"(?!.*(?:nav|toc)\.x?html).*\.x?html",
}
SHOWN = (*PARTS, ".ipynb", ".rst", ".tex", ".eml", ".py")
_INVISIBLE = re.compile(
    r"<(w:delText|w:instrText|mc:Fallback|text:tracked-changes|a:tableStyleId|head|script|style)\b"
    r".*?</\1>|<text:table-of-content\b.*?</text:table-of-content>",
    re.DOTALL,
)
_PARTING = re.compile(r"</?(?:w:p|w:br|w:tab|a:p|a:br|text:\w+|p|div|li|td|h\d|br|dt|dd|pre)\b")
_TAG = re.compile(r"<[^>]+>")
_WORD = re.compile(r"\w+")


def fetched(folder: Path) -> Iterator[Path]:
    """The folders of all packages that are there or can be fetched."""
    for name in PYTHON:
        target = folder / name
        if not target.exists():
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps"]
            _run([*command, "--no-binary", name, "-d", str(target), name], target)
            for packed in target.glob("*.tar.gz"):
                with tarfile.open(packed) as archive:
                    archive.extractall(target, filter="data")
        yield target
    for name in DEBIAN:
        target = folder / name
        if not target.exists():
            _run(["apt-get", "download", "-qq", name], target)
            for packed in target.glob("*.deb"):
                _run(["dpkg", "-x", str(packed), str(target)], target)
        yield target


def _run(command: list[str], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"{folder.name}: not fetched ({error})", file=sys.stderr)


def words(text: str) -> Counter[str]:
    return Counter(_WORD.findall(text))


def visible(path: Path) -> Counter[str]:
    """The words in a document's XML."""
    texts = []
    wanted = re.compile(PARTS[path.suffix])
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if wanted.fullmatch(name):
                page = archive.read(name).decode("utf-8", "replace")
                if path.suffix == ".odt":
                    page = page[page.find("<office:body") :]
                page = _PARTING.sub(r" \g<0>", _INVISIBLE.sub(" ", page))
                texts.append(html.unescape(_TAG.sub("", page)))
    return words(" ".join(texts))


def measured(ending: str, paths: list[Path]) -> dict[str, Any]:
    form = format_of(Path(f"a{ending}"))
    if form is None:
        raise ValueError(ending)
    rejects: Counter[str] = Counter()
    total = missing = size = 0
    seconds = 0.0
    for path in paths:
        raw = path.read_bytes()
        started = time.perf_counter()
        found = list(read(io.BytesIO(raw), form, Whole(str(path), str(path)), Fields()))
        seconds += time.perf_counter() - started
        size += len(raw)
        rejects.update(record.reason[:60] for record in found if not isinstance(record, Document))
        documents = [record for record in found if isinstance(record, Document)]
        if ending in PARTS and documents:
            there = visible(path)
            kept = words(" ".join([d.text for d in documents]))
            for document in documents:
                kept.update(words(" ".join(omission.text for omission in document.omissions)))
            total += sum(there.values())
            # Of a part that is left out and reported, only the beginning is known.
            unknown = sum(
                omission.words - len(omission.text.split())
                for document in documents
                for omission in document.omissions
            )
            missing += max(0, sum((there - kept).values()) - unknown)
    return {
        "ending": ending,
        "files": len(paths),
        "rejects": dict(rejects),
        "recall": 1 - missing / total if total else None,
        "words": total,
        "megabytes": size / 1e6,
        "megabytes_a_second": size / 1e6 / seconds if seconds else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", action="store_true", help="only the documents of the tests")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--folder", type=Path, default=ROOT / ".venv/format-corpora")
    given = parser.parse_args()
    machine = circumstances("docutils", "lxml", "pylatexenc", "tree-sitter")
    machine["command"] = "python -m benchmarks.format_corpora"  # without folders of this machine
    folders = [ROOT / "tests/data/documents"] if given.small else list(fetched(given.folder))
    rows = []
    for ending in SHOWN:
        globbed = "test_email/data/*.txt" if ending == ".eml" else f"*{ending}"
        found = (path for folder in folders for path in folder.rglob(globbed))
        paths = sorted(p for p in found if p.is_file() and p.stat().st_size < 2**22)[:300]
        if not paths:
            continue
        row = measured(ending, paths)
        rows.append(row)
        recall = f"{row['recall']:.2%} of {row['words']:,} words" if row["recall"] else ""
        print(
            f"{ending:<7} {row['files']:>3} files, {row['megabytes']:>6.2f} MB at "
            f"{row['megabytes_a_second']:>5.2f} MB/s  {recall}  {row['rejects'] or ''}"
        )
    if given.json:
        given.json.write_text(json.dumps({**machine, "corpora": rows}, indent=1))


if __name__ == "__main__":
    main()
