"""Converts files with one library; runs inside that library's own environment, and imports nothing
of ours.

    python format_converters.py LIBRARY ROUNDS FILE ...

Prints one JSON object: for each file its text, or the error, and the milliseconds of each round.
"""

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Convert = Callable[[str], str]


def kreuzberg() -> Convert:
    from kreuzberg import ExtractionConfig, extract_file_sync

    config = ExtractionConfig(output_format="markdown", use_cache=False)
    return lambda path: extract_file_sync(path, config=config).content


def xberg() -> Convert:
    import asyncio

    from xberg import ExtractInput, ExtractionConfig, extract

    config = ExtractionConfig(output_format="markdown", use_cache=False)

    def convert(path: str) -> str:
        found: Any = extract(ExtractInput(kind="uri", uri=path), config)
        found = asyncio.run(found) if asyncio.iscoroutine(found) else found
        return found.results[0].content

    return convert


def markitdown() -> Convert:
    from markitdown import MarkItDown

    converter = MarkItDown()
    return lambda path: converter.convert(path).text_content


def docling() -> Convert:
    from docling.document_converter import DocumentConverter

    converter = DocumentConverter()
    return lambda path: converter.convert(path).document.export_to_markdown()


def pandoc() -> Convert:
    import pypandoc

    forms = {"adoc": "asciidoc", "tex": "latex"}

    def convert(path: str) -> str:
        ending = path.rpartition(".")[2]
        arguments = [pypandoc.get_pandoc_path(), "-t", "gfm", "--wrap=none", path]
        arguments += ["--track-changes=all", "-f", forms.get(ending, ending)]
        done = subprocess.run(
            arguments, capture_output=True, stdin=subprocess.DEVNULL, timeout=30, check=True
        )
        return done.stdout.decode()

    return convert


def mammoth() -> Convert:
    import mammoth as library

    def convert(path: str) -> str:
        with open(path, "rb") as file:
            return library.convert_to_markdown(file).value

    return convert


def docx2python() -> Convert:
    from docx2python import docx2python as library

    return lambda path: library(path).text


def odfdo() -> Convert:
    from odfdo import Document

    return lambda path: Document(path).to_markdown()


def striprtf() -> Convert:
    from striprtf.striprtf import rtf_to_text

    return lambda path: rtf_to_text(Path(path).read_text(encoding="latin-1"))


def latex2text() -> Convert:
    from pylatexenc.latex2text import LatexNodes2Text

    return lambda path: LatexNodes2Text().latex_to_text(Path(path).read_text())


def leafsearch() -> Convert:
    import io

    from leafsearch.ingest.sources.files.formats import format_of
    from leafsearch.ingest.sources.files.records import Fields
    from leafsearch.ingest.sources.readers import Whole, read

    def convert(path: str) -> str:
        form = format_of(Path(path))
        if form is None:
            raise ValueError("not read")
        with io.BufferedReader(io.FileIO(path)) as stream:
            found: Any = next(iter(read(stream, form, Whole(path, path), Fields())))
        return found.text

    return convert


def main(library: str, rounds: str, *paths: str) -> None:
    started = time.perf_counter()
    convert = globals()[library]()
    found: dict[str, Any] = {"": {"import_ms": (time.perf_counter() - started) * 1e3}}
    for path in paths:
        times: list[float] = []
        try:
            for _ in range(int(rounds)):
                begun = time.perf_counter()
                text = convert(path)
                times.append((time.perf_counter() - begun) * 1e3)
            found[path] = {"text": text, "ms": times}
        except BaseException as error:
            said = re.sub(r"(?:/[\w.+-]+){2,}/", "", str(error))  # no paths of this machine
            found[path] = {"error": f"{type(error).__name__}: {said}"[:200]}
    print("\n" + json.dumps(found))
