"""Measure how fast each format is read, beside encoding, and in how much memory.

    .venv/bin/python -m benchmarks.documents [--small] [--json FILE] [--only NAME ...] [--no-large]

Every format of the table of formats has a sample of Python's language reference, which pandoc and
LibreOffice make where Python cannot; a format that nothing here makes is named. Each file is read
by a process of its own, which tells its largest memory. "Ahead" is how many times as fast a format
is read as the teacher of the preset `offline` encodes its text on all cores; BERT-large has 28
times the weights in its layers, so it needs a 28th of that rate.

Then files of 2 GB (--small: 20 MB, mbox a tenth) of the formats that stream, which are to take less
than 600 MB, and what a file says that is larger than its format allows.
"""

import argparse
import csv
import json
import mailbox
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from email.message import EmailMessage
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

from benchmarks.measuring import circumstances, timed

from leafsearch.config import PRESETS
from leafsearch.ingest.document import Document
from leafsearch.ingest.sources.files.corpus import Corpus
from leafsearch.ingest.sources.files.formats import ENDINGS, FORMATS
from leafsearch.vectors import load_encoder

Row = dict[str, Any]

TEXTS = list(topics.values())
LARGE_BYTES, SMALL_BYTES = 2_000_000_000, 20_000_000
MOST_MEMORY = 600  # MB, of files that stream
BERT_LARGE = 28  # times the weights of the offline teacher's layers
_CONVERT = 300  # seconds
_PANDOC = {
    "html": "html",
    "docx": "docx",
    "pptx": "pptx",
    "odt": "odt",
    "epub": "epub",
    "rtf": "rtf",
    "rst": "rst",
    "asciidoc": "asciidoc",
    "latex": "latex",
    "notebook": "ipynb",
}
_OFFICE = {"odp": ("pptx", "odp")}
_SHEETS = ("xlsx", "xls", "ods")
_PACKED = ("gz", "zst", "bz2", "xz")


def ending_of(form: str) -> str:
    return next(ending for ending, other in ENDINGS.items() if other == form)


def markdown(size: int) -> str:
    """Sections of the language reference, about `size` bytes."""
    parts: list[str] = []
    length = 0
    while length < size:
        text = TEXTS[len(parts) % len(TEXTS)].replace("\x60", "'").replace("$", "").replace("|", "")
        paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
        parts.append(f"# Section {len(parts)}\n\n" + "\n\n".join(paragraphs))
        length += len(parts[-1])
    return "\n\n".join(parts)


def records(size: int) -> Iterator[Row]:
    number = written = 0
    while written < size:
        text = TEXTS[number % len(TEXTS)][:2_000]
        yield {"id": f"r{number}", "text": text, "year": 1990 + number % 30, "price": number / 7}
        written += len(text) + 60
        number += 1


def write_jsonl(path: Path, size: int) -> None:
    with path.open("w") as file:
        file.writelines(json.dumps(record) + "\n" for record in records(size))


def write_json(path: Path, size: int) -> None:
    path.write_text(json.dumps(list(records(size)), indent=1))


def write_rows(path: Path, size: int) -> None:
    with path.open("w", newline="") as file:
        rows = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        rows.writerow(["id", "text", "year", "price"])
        rows.writerows(record.values() for record in records(size))


def write_parquet(path: Path, size: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        {"id": pa.string(), "text": pa.string(), "year": pa.int64(), "price": pa.float64()}
    )
    with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
        part: list[Row] = []
        for record in records(size):
            part.append(record)
            if len(part) == 10_000:
                writer.write_table(pa.Table.from_pylist(part, schema))
                part = []
        writer.write_table(pa.Table.from_pylist(part, schema))


def write_pdf(path: Path, size: int) -> None:
    from fpdf import FPDF

    made = FPDF()
    made.set_font("helvetica", size=10)
    made.add_page()
    made.multi_cell(0, text=markdown(size).encode("latin-1", "replace").decode("latin-1"))
    made.output(str(path))


def message(number: int, text: str) -> EmailMessage:
    made = EmailMessage()
    made["Subject"], made["From"], made["To"] = f"Topic {number}", "a@example.org", "b@example.org"
    made["Message-ID"] = f"<{number}@example.org>"
    made.set_content(text)
    return made


def write_eml(path: Path, size: int) -> None:
    path.write_bytes(message(1, markdown(size)).as_bytes())


def write_mbox(path: Path, size: int) -> None:
    box = mailbox.mbox(path)
    for number, record in enumerate(records(size)):
        box.add(message(number, record["text"]))
    box.close()


def clock(second: int, mark: str) -> str:
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}{mark}000"


def write_subtitles(path: Path, size: int) -> None:
    words = markdown(size).split()
    lines = ["WEBVTT\n"] if path.suffix == ".vtt" else []
    mark = "." if path.suffix == ".vtt" else ","
    for number in range(len(words) // 8):
        begin, end = (clock(second, mark) for second in (number, number + 1))
        said = " ".join(words[8 * number : 8 * number + 8])
        lines.append(f"{number + 1}\n{begin} --> {end}\n{said}\n")
    path.write_text("\n".join(lines))


def write_code(path: Path, size: int) -> None:
    """The standard library's own modules, one after another."""
    parts, length = [], 0
    for module in sorted(Path(json.__file__).parents[1].glob("*.py")):
        if length < size:
            parts.append(module.read_text())
            length += len(parts[-1])
    path.write_text("\n\n".join(parts))


WRITERS: dict[str, Callable[[Path, int], None]] = {
    "jsonl": write_jsonl,
    "json": write_json,
    "csv": write_rows,
    "tsv": write_rows,
    "parquet": write_parquet,
    "text": lambda path, size: path.write_text(markdown(size)) and None,
    "markdown": lambda path, size: path.write_text(markdown(size)) and None,
    "pdf": write_pdf,
    "eml": write_eml,
    "mbox": write_mbox,
    "srt": write_subtitles,
    "vtt": write_subtitles,
    "code": write_code,
}


def sample(form: str, folder: Path, size: int) -> Path | None:
    """A file of this format; None if nothing on this machine makes one."""
    path = folder / f"sample{'.py' if form == 'code' else ending_of(form)}"
    if form in WRITERS:
        WRITERS[form](path, size)
    elif form in _PANDOC and shutil.which("pandoc"):
        source = folder / "source.md"
        source.write_text(markdown(size))
        run(["pandoc", "-s", "-f", "markdown", "-t", _PANDOC[form], "-o", str(path), str(source)])
    elif (form in _OFFICE or form in _SHEETS) and shutil.which("soffice"):
        source_form, ending = _OFFICE.get(form, ("csv", form))
        source = sample(source_form, folder, size)
        if source is not None:
            target = ["--convert-to", ending, "--outdir", str(folder), str(source)]
            run(["soffice", f"-env:UserInstallation=file://{folder}/office", "--headless", *target])
    return path if path.is_file() else None


def run(command: list[str]) -> None:
    subprocess.run(command, check=False, capture_output=True, timeout=_CONVERT)


def pack(path: Path, ending: str) -> Path:
    """The file, compressed as quickly as the program can."""
    if ending in ("zip", "tar.gz"):
        form = "zip" if ending == "zip" else "gztar"
        inside = path.parent / f"in-{ending}"
        inside.mkdir()
        shutil.copy(path, inside / path.name)
        return Path(shutil.make_archive(str(path.parent / f"packed-{path.stem}"), form, inside))
    program = {"gz": "gzip", "zst": "zstd", "bz2": "bzip2", "xz": "xz"}[ending]
    packed = Path(f"{path}.{ending}")
    if not shutil.which(program) and ending == "zst":
        from backports import zstd

        packed.write_bytes(zstd.compress(path.read_bytes()))
        return packed
    with packed.open("wb") as file:
        subprocess.run([program, "-1", "-c", str(path)], check=True, stdout=file)
    return packed


def read_here(path: str) -> None:
    """Read a file and print what it took: the work of a process of its own."""
    started, documents, length, refused = time.perf_counter(), 0, 0, ""
    for record in Corpus([path]).records():
        if isinstance(record, Document):
            documents += 1
            length += len(record.text)
        else:
            refused = refused or record.reason
    seconds = time.perf_counter() - started
    # Not ru_maxrss, which a process inherits from the one that started it.
    status = Path("/proc/self/status").read_text().splitlines()
    memory = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1000
    print(
        json.dumps(
            {
                "documents": documents,
                "text_mb": length / 1e6,
                "seconds": seconds,
                "memory_mb": round(memory),
                "refused": refused,
            }
        )
    )


def read(path: Path) -> Row:
    command = [sys.executable, "-m", "benchmarks.documents", "--read", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    size = path.stat().st_size / 1e6
    if done.returncode:
        return {"mb": size, "refused": done.stderr.strip().splitlines()[-1:]}
    found = json.loads(done.stdout.splitlines()[-1])
    return {"mb": round(size, 2), "mb_s": round(size / found["seconds"], 2), **found}


def encoding_rate(small: bool) -> float:
    """Megabytes of text a second, by the offline teacher."""
    text = markdown(60_000 if small else 600_000)
    chunks = [text[at : at + 1_000] for at in range(0, len(text), 1_000)]
    teacher = load_encoder(PRESETS["offline"].teacher)
    teacher.encode_documents(chunks[:20])
    return len(text) / 1e6 / timed(lambda: teacher.encode_documents(chunks))


def small_files(folder: Path, size: int, rate: float, only: Sequence[str]) -> Iterator[Row]:
    for form in FORMATS:
        if only and form not in only:
            continue
        own = folder / form
        own.mkdir()
        path = sample(form, own, size)
        if path is None:
            yield {"format": form, "refused": "nothing here makes a sample"}
            continue
        yield compared({"format": form, **read(path)}, rate)
        if form == "jsonl":
            for ending in (*_PACKED, "zip", "tar.gz"):
                yield compared({"format": f"jsonl.{ending}", **read(pack(path, ending))}, rate)
        shutil.rmtree(own)


def compared(row: Row, rate: float) -> Row:
    if "seconds" in row and row["text_mb"]:
        read_rate = row["text_mb"] / row["seconds"]
        row |= {"text_mb_s": round(read_rate, 2), "ahead": round(read_rate / rate, 1)}
        row["share"] = round(row["seconds"] / (row["seconds"] + row["text_mb"] / rate), 3)
    return row


def large_files(folder: Path, size: int, rate: float) -> Iterator[Row]:
    """Formats that stream, plain and compressed; each file goes before the next is made."""
    for form in ("jsonl", "csv", "parquet", "mbox"):
        path = folder / f"large.{form}"
        WRITERS[form](path, size // 10 if form == "mbox" else size)  # Python writes it slowly
        yield compared({"format": form, **read(path)}, rate)
        for ending in ("gz", "zst") if form in ("jsonl", "csv") else ():
            packed = pack(path, ending)
            row = {"format": f"{form}.{ending}", **read(packed), "unpacked_mb": size / 1e6}
            yield compared(row, rate)
            packed.unlink()
        path.unlink()


def limits(folder: Path) -> Iterator[Row]:
    """What a file says that is one document and too large for one."""
    for form in ("text", "markdown", "html", "pdf", "docx", "epub", "rtf", "notebook", "eml"):
        path = folder / f"huge{ending_of(form)}"
        with path.open("wb") as file:
            file.truncate(1_100_000_000)
        found = read(path)
        yield {"format": form, "memory_mb": found.get("memory_mb"), "says": found["refused"]}
        path.unlink()


def shown(row: Row) -> str:
    if "mb_s" not in row:
        return f"{row['format']:14} {row['refused']}"
    rates = f"{row['mb']:9.2f} MB {row['mb_s']:8.2f} MB/s, text {row.get('text_mb_s', 0):7.2f} MB/s"
    ahead = f"{row.get('ahead', 0):8.1f} x encoding, share {row.get('share', 0):6.1%}"
    return f"{row['format']:14} {rates} {ahead} {row['memory_mb']:5} MB  {row['refused']}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--no-large", action="store_true")
    parser.add_argument("--read", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.read:
        read_here(asked.read)
        return
    found: dict[str, Any] = circumstances("leafsearch", "pypdfium2", "lxml", "pyarrow")
    rate = encoding_rate(asked.small)
    print(
        f"the offline teacher encodes {rate:.3f} MB of text a second; BERT-large needs "
        f"{rate / BERT_LARGE:.4f} (estimated)"
    )
    found |= {"encoding_mb_s": rate, "files": [], "large": [], "limits": []}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for row in small_files(folder, 50_000 if asked.small else 2_000_000, rate, asked.only):
            found["files"].append(row)
            print(shown(row), flush=True)
        if not asked.no_large and not asked.only:
            for row in large_files(folder, SMALL_BYTES if asked.small else LARGE_BYTES, rate):
                found["large"].append({**row, "bar": row.get("memory_mb", 0) < MOST_MEMORY})
                print(shown(row), flush=True)
            for row in limits(folder):
                found["limits"].append(row)
                said = f"{row['says']} ({row['memory_mb']} MB)"
                print(f"{row['format']:14} 1.1 GB: {said}", flush=True)
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
