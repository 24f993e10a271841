"""PDF: what is kept of real manuals and papers, beside what PDFium alone reads.

Files come from Debian packages, made by different programs: LaTeX, dblatex, XeTeX, groff, FOP,
LibreOffice, Ghostscript. What cannot be had is left out and named.
"""

import argparse
import gzip
import io
import json
import os
import re
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.measuring import circumstances

from leafsearch.ingest import Document
from leafsearch.ingest.sources.readers import Whole
from leafsearch.ingest.sources.readers.pdf import read_pdf

CACHE = Path(os.environ.get("LEAF_BENCH_CACHE", "~/.cache/leafsearch-bench")).expanduser() / "pdf"
PACKAGES: Mapping[str, str] = {
    "debian-reference-es": "**/*.pdf*",
    "debian-reference-zh-cn": "**/*.pdf*",
    "maint-guide-ja": "**/*.pdf*",
    "debian-faq-ru": "**/*.pdf*",
    "developers-reference-ja": "**/*.pdf*",
    "gnuplot-doc": "**/gnuplot.pdf*",
    "gri-pdf-doc": "**/*.pdf*",
    "docbook-xsl-doc-pdf": "**/*.pdf*",
    "r-doc-pdf": "**/R-intro.pdf*",
    "lilypond-doc-pdf": "**/changes.pdf*",
}
SMALL = ("debian-faq-ru", "gri-pdf-doc")
_WORD = re.compile(r"\w+")
_BROKEN = ("\ufffe\r\n", "\x02\r\n", "\ufffe", "\x02")


@dataclass(frozen=True)
class Row:
    """`kept`: of the words that PDFium reads, those in the text or told as left out. `in_order`:
    of its runs of five words, those in the text. Seconds of one reading each."""

    name: str
    pages: int
    kept: float
    left_out: float
    in_order: float
    headings: int
    tables: int
    seconds: float
    seconds_pdfium: float


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    rows, missing = [], {}
    print(f"{'file':<30}  pages  kept   left out  in order  headings  tables  pages/s  PDFium")
    for name, pattern in PACKAGES.items():
        if given.small and name not in SMALL:
            continue
        try:
            files = [*_files(name, pattern)]
        except (OSError, subprocess.SubprocessError) as error:
            missing[name] = " ".join(str(getattr(error, "stderr", "") or error).split())[:200]
            continue
        for path, raw in files:
            rows.append(found := _measure(path.name.removesuffix(".gz"), raw))
            print(_line(found), flush=True)
    for name, why in missing.items():
        print(f"{name}: left out: {why}")
    if given.json:
        machine = circumstances("pypdfium2")
        told = {"machine": machine, "rows": [asdict(r) for r in rows], "missing": missing}
        given.json.write_text(json.dumps(told, indent=1) + "\n")


def _line(row: Row) -> str:
    return (
        f"{row.name[:30]:<30}  {row.pages:>5}  {row.kept:.4f}  {row.left_out:.4f}    "
        f"{row.in_order:.3f}     {row.headings:>8}  {row.tables:>6}  "
        f"{row.pages / row.seconds:>7.0f}  {row.pages / row.seconds_pdfium:>6.0f}"
    )


def _files(package: str, pattern: str) -> Iterator[tuple[Path, bytes]]:
    folder = CACHE / package
    CACHE.mkdir(parents=True, exist_ok=True)
    if not folder.is_dir():
        with tempfile.TemporaryDirectory() as there:
            options = ["-o", "APT::Sandbox::User=root"]
            _run(["apt-get", *options, "download", package], there)
            (deb,) = Path(there).glob("*.deb")
            _run(["dpkg-deb", "-x", str(deb), str(folder)], there)
    found = [path for path in sorted(folder.glob(pattern)) if path.is_file()]
    if not found:
        raise OSError(f"no files like {pattern}")
    met = set[bytes]()
    for path in found:
        raw = path.read_bytes()
        if raw not in met:
            met.add(raw)
            yield path, gzip.decompress(raw) if path.suffix == ".gz" else raw


def _run(command: Sequence[str], folder: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=600)


def _measure(name: str, raw: bytes) -> Row:
    pages, plain = [], ""
    seconds_pdfium = _seconds(lambda: pages.extend(_pages(raw)))
    documents = list[object]()
    seconds = _seconds(lambda: documents.extend(read_pdf(io.BytesIO(raw), Whole(name, name))))
    (document,) = documents
    if not isinstance(document, Document):
        raise SystemExit(f"{name}: {document}")
    plain = "\n".join(pages)
    for sign in _BROKEN:
        plain = plain.replace(sign, "")
    words, ours = _WORD.findall(plain), _WORD.findall(document.text)
    return Row(
        name=name,
        pages=len(pages),
        kept=_recall(_grams(ours, 1), _grams(words, 1)) + document.words_left_out / len(words),
        left_out=document.words_left_out / len(words),
        in_order=_recall(_grams(ours, 5), _grams(words, 5)),
        headings=len(re.findall(r"^#+ ", document.text, re.MULTILINE)),
        tables=document.text.count("\n|---|"),
        seconds=seconds,
        seconds_pdfium=seconds_pdfium,
    )


def _pages(raw: bytes) -> Iterator[str]:
    import pypdfium2

    pdf = pypdfium2.PdfDocument(raw)
    for number in range(len(pdf)):
        yield pdf[number].get_textpage().get_text_range()
    pdf.close()


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _grams(words: Sequence[str], size: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[at:] for at in range(size)), strict=False))


def _recall(found: Counter[tuple[str, ...]], wanted: Counter[tuple[str, ...]]) -> float:
    return (found & wanted).total() / max(wanted.total(), 1)


if __name__ == "__main__":
    main()
