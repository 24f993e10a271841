"""A workbook of sheets, as python-calamine reads it: XLSX, XLS, XLSB, ODS.

A sheet is in memory as a whole while it is read (534 MB for 1,048,575 rows of six columns), so the
unpacked size of its XML has a limit. The library gives nothing for cells with an error and for
formulas that were never calculated: they are counted beside it, in XLSX.
"""

import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from typing import IO, Any, BinaryIO

from leafsearch.config.text import counted
from leafsearch.ingest.errors import SourceError
from leafsearch.ingest.sources.readers.text import as_seekable

MAX_XML = 512 * 2**20  # bytes of one part, unpacked
_MAX_BINARY = 64 * 2**20  # bytes of an XLS or XLSB file
_MAX_INDEX = 16 * 2**20  # bytes of the list of sheets
_STEP = 2**20
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_LONGEST_CELL = 40_000  # bytes that a cell may take across two blocks; its text is elsewhere
# None of these backtracks.
_ERROR = re.compile(rb'<c (?:[^<>]*? )?r="([A-Z]{1,3}[0-9]{1,7})"[^<>]*? t="e"[^<>]*>')
_FORMULA = re.compile(
    rb'<c (?:[^<>]*? )?r="([A-Z]{1,3}[0-9]{1,7})"[^<>]*>'
    rb"<f[^<>]*(?:/>|>[^<]*</f>)(?:<v/>|<v></v>)?</c>"
)
_SHEET = re.compile(rb"<(?:\w+:)?sheet [^<>]*>")
_RELATION = re.compile(rb"<(?:\w+:)?Relationship [^<>]*>")
_ATTRIBUTE = re.compile(rb'([\w:]+)="([^"]*)"')


@dataclass(frozen=True)
class Sheet:
    """`rows()` always begins with the first row of the sheet, and with the first column in use.

    Cells are text, numbers, booleans, dates, times, durations; empty ones are "".
    """

    name: str
    rows: Callable[[], Iterator[Sequence[Any]]]
    first_column: int
    merged: Sequence[tuple[tuple[int, int], tuple[int, int]]]


@dataclass(frozen=True)
class Workbook:
    """`notes` tell what is not read."""

    sheets: Iterator[Sheet]
    notes: Sequence[str]


@contextmanager
def open_workbook(stream: BinaryIO) -> Iterator[Workbook]:
    """Raises SourceError for a file that is no workbook, damaged, too large, or has a password."""
    from python_calamine import CalamineError, PasswordError, load_workbook

    with as_seekable(stream) as opened:
        notes = _checked(opened)
        opened.seek(0)
        try:
            with load_workbook(opened) as found:
                hidden, shown = _sorted(found)
                notes += [f"sheet {name!r} is hidden and not read" for name in hidden]
                yield Workbook(_sheets(found, shown), notes)
        except PasswordError as error:
            raise _protected() from error
        except CalamineError as error:
            raise SourceError(f"not a workbook, or damaged: {error}") from error


def require_workbook(stream: BinaryIO) -> None:
    """Raises SourceError, as open_workbook would, for what the beginning shows."""
    if stream.seekable():
        _checked(stream, is_quick=True)


def _sorted(found: Any) -> tuple[list[str], list[str]]:
    """Names of hidden sheets and of the others, without sheets of charts and the like."""
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    hidden, shown = list[str](), list[str]()
    for about in found.sheets_metadata:
        if about.typ == SheetTypeEnum.WorkSheet:
            is_shown = about.visible == SheetVisibleEnum.Visible
            (shown if is_shown else hidden).append(about.name)
    return hidden, shown


def _sheets(found: Any, names: Sequence[str]) -> Iterator[Sheet]:
    for name in names:
        sheet = found.get_sheet_by_name(name)
        if sheet.start is not None:
            first = sheet.start[1]
            yield Sheet(name, sheet.iter_rows, first, sheet.merged_cell_ranges or [])


def _checked(opened: IO[bytes], *, is_quick: bool = False) -> list[str]:
    """Sizes are those that are found, not those that a file claims. Returns notes."""
    begin = opened.read(8)
    opened.seek(0)
    if begin.startswith(_OLE):
        raw = opened.read(_MAX_BINARY + 1)
        opened.seek(0)
        if _ENCRYPTED in raw:
            raise _protected()
        if len(raw) > _MAX_BINARY:
            raise SourceError(f"more than {_MAX_BINARY:,} bytes; save it as XLSX or CSV")
        return []
    try:
        with zipfile.ZipFile(opened) as packed:
            if any(entry.flag_bits & 1 for entry in packed.infolist()):
                raise _protected()
            if any(entry.file_size > MAX_XML for entry in packed.infolist()):
                raise _too_large()
            if b"encryption-data" in _part(packed, "META-INF/manifest.xml"):  # ODS
                raise _protected()
            return [] if is_quick else _scanned(packed)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        raise SourceError(f"not a workbook, or damaged: {error}") from error


def _scanned(packed: zipfile.ZipFile) -> list[str]:
    """Cells without a value, by sheet."""
    notes, names = list[str](), _sheet_names(packed)
    for entry in packed.infolist():
        errors, formulas = _empty_cells(packed, entry)
        name = names.get(entry.filename, entry.filename)
        if errors:
            notes.append(
                f"sheet {name!r}: {counted(len(errors), 'cell')} with an error, such as "
                f"{errors[0]}, {'is' if len(errors) == 1 else 'are'} left out"
            )
        if formulas:
            notes.append(
                f"sheet {name!r}: {counted(len(formulas), 'formula')} without a stored value, such "
                f"as {formulas[0]}; open and save the file in a spreadsheet program"
            )
    return notes


def _empty_cells(packed: zipfile.ZipFile, entry: zipfile.ZipInfo) -> tuple[list[str], list[str]]:
    errors, formulas = list[str](), list[str]()
    is_sheet = entry.filename.startswith("xl/worksheets/")
    size, held = 0, b""
    with packed.open(entry) as part:
        while block := part.read(_STEP):
            size += len(block)
            if size > MAX_XML:
                raise _too_large()
            if not is_sheet:
                continue
            held += block
            end = held.rfind(b"</c>") + 4
            whole, held = (held[:end], held[end:]) if end > 3 else (b"", held[-_LONGEST_CELL:])
            if b't="e"' in whole:
                errors += [found.decode() for found in _ERROR.findall(whole)]
            if b"<f" in whole:
                formulas += [found.decode() for found in _FORMULA.findall(whole)]
    return errors, formulas


def _sheet_names(packed: zipfile.ZipFile) -> dict[str, str]:
    """The name of a sheet by that of its part in the file."""
    targets = {
        at.get("Id", ""): at.get("Target", "")
        for at in _attributes(_RELATION, _part(packed, "xl/_rels/workbook.xml.rels"))
    }
    return {
        _path(targets[at["r:id"]]): unescape(at.get("name", ""))
        for at in _attributes(_SHEET, _part(packed, "xl/workbook.xml"))
        if at.get("r:id") in targets
    }


def _path(target: str) -> str:
    return target.removeprefix("/") if target.startswith("/") else f"xl/{target}"


def _part(packed: zipfile.ZipFile, name: str) -> bytes:
    try:
        with packed.open(name) as part:
            return part.read(_MAX_INDEX)
    except KeyError:
        return b""


def _attributes(pattern: re.Pattern[bytes], part: bytes) -> Iterator[Mapping[str, str]]:
    for tag in pattern.findall(part):
        pairs = _ATTRIBUTE.findall(tag)
        yield {name.decode(): value.decode(errors="replace") for name, value in pairs}


def _protected() -> SourceError:
    return SourceError("is protected by a password; save it without one")


def _too_large() -> SourceError:
    return SourceError(f"a sheet of more than {MAX_XML:,} unpacked bytes; save its sheets as CSV")
