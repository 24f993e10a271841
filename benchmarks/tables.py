"""How fast tables are read, what deciding the types of columns costs, and how much memory it takes.

    .venv/bin/python -m benchmarks.tables [--small] [--rows N] [--json FILE]

One table of N rows and eight columns is written as CSV, JSON Lines, JSON, Parquet and XLSX, and
each file is read by a process of its own. `one pass` reads the CSV with a --column-type for every
column, so that nothing is left to decide. `openpyxl` only iterates over the rows of the same XLSX,
for comparison with python-calamine. Seconds are those of the processor.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from benchmarks.measuring import circumstances

_ASKED = ["price=float", "stock=integer", "day=date", "sku=text", "city=text"]
_NAMES = ["id", "text", "title", "price", "stock", "day", "sku", "city"]


def rows(count: int) -> Iterator[list[Any]]:
    for n in range(count):
        text = f"crate {n} of apples from orchard {n % 311}, picked by hand and packed in straw"
        day = date(2020, 1, 1) + timedelta(days=n % 1000)
        yield [n, text, f"Crate {n}", round(n / 7, 2), n % 97, day, f"{n:06}", "Rome"]


def write_all(folder: Path, count: int) -> None:
    import pyarrow
    import pyarrow.parquet
    import xlsxwriter

    with (folder / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows([_NAMES, *rows(count)])
    records = [dict(zip(_NAMES, row, strict=True)) for row in rows(count)]
    with (folder / "a.jsonl").open("w") as file:
        for record in records:
            file.write(json.dumps(record, default=str) + "\n")
    (folder / "a.json").write_text(json.dumps(records, default=str, indent=1))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(records), folder / "a.parquet")
    options = {"constant_memory": True, "default_date_format": "yyyy-mm-dd"}
    with xlsxwriter.Workbook(folder / "a.xlsx", options) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, _NAMES)
        for number, row in enumerate(rows(count), 1):
            sheet.write_row(number, 0, row)


def read_corpus(path: str, asked: list[str]) -> int:
    from leafsearch.ingest import Corpus
    from leafsearch.ingest.sources.readers.tables.columns import AskedTypes

    corpus = Corpus([path], asked_types=AskedTypes.parse(asked))
    return sum(1 for _ in corpus.records())


def read_openpyxl(path: str, asked: list[str]) -> int:
    import openpyxl

    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    return sum(1 for _ in book.worksheets[0].iter_rows(values_only=True)) - 1


READERS: dict[str, Callable[[str, list[str]], int]] = {
    "corpus": read_corpus,
    "openpyxl": read_openpyxl,
}


def measure(reader: str, path: Path, asked: list[str]) -> dict[str, Any]:
    """Seconds and megabytes of a process of its own."""
    command = [sys.executable, "-m", "benchmarks.tables", "--read", reader, str(path), *asked]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    measured: dict[str, Any] = json.loads(ended.stdout)
    return measured


def read_here(reader: str, path: str, asked: list[str]) -> None:
    import openpyxl  # noqa: F401

    import leafsearch.ingest  # noqa: F401

    begun = time.process_time()
    count = READERS[reader](path, asked)
    seconds = time.process_time() - begun
    # Not ru_maxrss, which a process inherits from the one that started it.
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line) / 1024
    print(json.dumps({"rows": count, "seconds": round(seconds, 2), "peak_mb": round(peak)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--read", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        read_here(options.read[0], options.read[1], options.read[2:])
        return
    count = 2000 if options.small else options.rows
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        write_all(Path(folder), count)
        print(f"{count:,} rows\n\n| file | MB | seconds | rows a second | MB a second | peak MB |")
        print("|---|---|---|---|---|---|")
        for what, name, reader, asked in (
            ("CSV", "a.csv", "corpus", []),
            ("CSV, one pass", "a.csv", "corpus", _ASKED),
            ("JSON Lines", "a.jsonl", "corpus", []),
            ("JSON", "a.json", "corpus", []),
            ("Parquet", "a.parquet", "corpus", []),
            ("XLSX", "a.xlsx", "corpus", []),
            ("XLSX by openpyxl", "a.xlsx", "openpyxl", []),
        ):
            path = Path(folder) / name
            found = measure(reader, path, asked)
            size = path.stat().st_size / 1e6
            assert found["rows"] == count, found
            measured.append({"what": what, "megabytes": round(size, 1), **found})
            seconds = max(found["seconds"], 0.01)
            print(
                f"| {what} | {size:,.1f} | {seconds:,.1f} | {count / seconds:,.0f} | "
                f"{size / seconds:,.1f} | {found['peak_mb']:,} |",
                flush=True,
            )
    if options.json:
        result = {**circumstances("python-calamine", "openpyxl", "pyarrow"), "tables": measured}
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
