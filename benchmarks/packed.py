"""How fast packed files, archives and folders are read, and in how much memory.

Every line is a process of its own that only reads; nothing is encoded. `library` is Python's own
way to unpack the same file, without reading records.
"""

import argparse
import bz2
import gzip
import io
import json
import lzma
import random
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.measuring import circumstances

from leafsearch.ingest import Corpus, Document
from leafsearch.ingest.sources.files.formats import ZSTD

_READ = 2**18
_FILES = 10_000


@dataclass(frozen=True)
class Line:
    """`unpacked` in bytes; seconds of reading it once; the peak of the process in MiB."""

    what: str
    documents: int
    unpacked: int
    seconds: float
    library_seconds: float | None
    peak_mib: int

    def __str__(self) -> str:
        size = self.unpacked / 1e6
        alone = f"{size / self.library_seconds:8.0f}" if self.library_seconds else " " * 8
        return (
            f"{self.what:<24}{self.documents:>9,}{size:>9,.0f}{size / self.seconds:>9,.0f}{alone}"
            f"{self.peak_mib:>9,}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="only check that it runs")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--megabytes", type=int, default=200, help="of rows in each packed file")
    parser.add_argument("--read", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        print(json.dumps(_read(options.read)))
        return
    megabytes = 2 if options.small else options.megabytes
    with tempfile.TemporaryDirectory(prefix="leaf-packed-") as folder:
        lines = _measured(Path(folder), megabytes, 100 if options.small else _FILES)
    if options.json:
        figures = {"lines": [asdict(line) for line in lines]}
        options.json.write_text(json.dumps({**circumstances(), **figures}, indent=1) + "\n")


def _measured(folder: Path, megabytes: int, files: int) -> list[Line]:
    rows = _rows(megabytes)
    made = {**_packed(folder, rows), **_archives(folder, rows)}
    print(f"{'':<24}{'documents':>9}{'MB':>9}{'MB/s':>9}{'library':>8}{'MiB':>9}")
    lines = []
    for path, alone in made.items():
        lines.append(_line(path, path.name, len(rows), alone))
        print(lines[-1], flush=True)
        path.unlink()
    for ending, content in (
        (".md", b"Some text.\n" * 40),
        (".conf", b"Some text.\n" * 40),
        (".dat", bytes(440)),
    ):
        many = folder / f"files{ending}"
        many.mkdir()
        for number in range(files):
            (many / f"{number}{ending}").write_bytes(content)
        lines.append(_line(many, f"{files:,} files *{ending}", files * len(content), None))
        print(lines[-1], flush=True)
    return lines


def _rows(megabytes: int) -> bytes:
    letters = random.Random(1)
    words = ["".join(letters.choices("abcdefghijklmnopqrstuvwxyz", k=6)) for _ in range(20_000)]
    out = io.BytesIO()
    number = 0
    while out.tell() < megabytes * 10**6:
        row = {"id": f"r{number}", "text": " ".join(letters.choices(words, k=120))}
        out.write(json.dumps(row).encode() + b"\n")
        number += 1
    return out.getvalue()


def _packed(folder: Path, rows: bytes) -> Mapping[Path, Callable[[Path], Any]]:
    zstd: Any = import_module(ZSTD)
    plain = folder / "rows.jsonl"
    plain.write_bytes(rows)
    found: dict[Path, Callable[[Path], Any]] = {plain: lambda path: path.open("rb")}
    for ending, pack, opened in (
        (".gz", lambda raw: gzip.compress(raw, 6), gzip.open),
        (".zst", zstd.compress, zstd.open),
        (".bz2", bz2.compress, bz2.open),
        (".xz", lambda raw: lzma.compress(raw, preset=1), lzma.open),
    ):
        path = folder / f"rows.jsonl{ending}"
        path.write_bytes(pack(rows))
        found[path] = opened
    return found


def _archives(folder: Path, rows: bytes) -> Mapping[Path, None]:
    """Each holds the rows in ten files."""
    lines = rows.splitlines(keepends=True)
    parts = [b"".join(lines[number::10]) for number in range(10)]
    with zipfile.ZipFile(folder / "rows.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for number, part in enumerate(parts):
            packed.writestr(f"{number}.jsonl", part)
    with tarfile.open(folder / "rows.tar.gz", "w:gz") as tar:
        for number, part in enumerate(parts):
            info = tarfile.TarInfo(f"{number}.jsonl")
            info.size = len(part)
            tar.addfile(info, io.BytesIO(part))
    return {folder / "rows.zip": None, folder / "rows.tar.gz": None}


def _line(path: Path, what: str, unpacked: int, alone: Callable[[Path], Any] | None) -> Line:
    command = [sys.executable, "-m", "benchmarks.packed", "--read", str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    documents, seconds, peak = json.loads(ended.stdout)
    return Line(what, documents, unpacked, seconds, _alone(path, alone), peak)


def _alone(path: Path, opened: Callable[[Path], Any] | None) -> float | None:
    if opened is None:
        return None
    start = time.perf_counter()
    with opened(path) as stream:
        while stream.read(_READ):
            pass
    return time.perf_counter() - start


def _read(path: str) -> Sequence[float]:
    """In a process of its own: documents, seconds, MiB."""
    start = time.perf_counter()
    documents = sum(isinstance(record, Document) for record in Corpus([path]).records())
    seconds = time.perf_counter() - start
    return documents, seconds, _peak_mib()


def _peak_mib() -> int:
    """Not by getrusage, which counts the parent's memory too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


if __name__ == "__main__":
    main()
