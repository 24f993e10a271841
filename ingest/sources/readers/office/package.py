"""Zipped documents of office programs: their parts, read in bounds, or why there are none.

A part is unpacked only up to a limit, and all parts of a document together up to another, so that
a small file cannot fill the memory. Entities of XML are not resolved.
"""

import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO
from urllib.parse import unquote

from leafsearch.ingest.sources.files.records import UnusableRecord
from leafsearch.ingest.sources.readers.text import as_seekable

MAX_PART = 128 * 2**20  # unpacked bytes of one part
MAX_ALL = 512 * 2**20
_MOST_ENTRIES = 100_000
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_LOOKED_AT = 2**20
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
# What a file that is opened as another format really is: its main part, its format.
_KINDS = (
    ("word/document.xml", "docx"),
    ("ppt/presentation.xml", "pptx"),
    ("xl/workbook.xml", "xlsx"),
    ("xl/workbook.bin", "xlsb"),
    ("META-INF/container.xml", "epub"),
)
_OTHERS = ((b"{\\rtf", "rtf"), (b"%PDF-", "pdf"), (b"<!DOCTYPE html", "html"), (b"<html", "html"))
_OLD = {"docx": ".doc", "pptx": ".ppt", "xlsx": ".xls", "odt": ".doc", "odp": ".ppt"}


class OfficePackage:
    """The parts of a document by their names."""

    def __init__(self, archive: zipfile.ZipFile, form: str) -> None:
        self._archive = archive
        self._form = form
        self._names = {name.lower(): name for name in archive.namelist()}
        self._read = 0

    @property
    def names(self) -> list[str]:
        return list(self._names.values())

    def has(self, name: str) -> bool:
        return name.lower() in self._names

    def bytes(self, name: str) -> bytes:
        """Raises UnusableRecord for a part that is missing, damaged or too large."""
        actual = self._names.get(name.lower())
        if actual is None:
            raise UnusableRecord(f"damaged {self._form}: it has no part {name}")
        try:
            with self._archive.open(actual) as part:
                found = part.read(MAX_PART + 1)
        except RuntimeError as error:
            raise UnusableRecord(
                f"encrypted {self._form}; expected one that opens without a password"
            ) from error
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
            raise UnusableRecord(f"damaged {self._form}: {name} cannot be unpacked") from error
        except NotImplementedError as error:
            raise UnusableRecord(f"{self._form} with an unknown compression of {name}") from error
        self._read += len(found)
        if len(found) > MAX_PART or self._read > MAX_ALL:
            raise UnusableRecord(
                f"{self._form} of more than {MAX_PART} unpacked bytes in {name}, or {MAX_ALL} "
                "in all its parts"
            )
        return found

    def xml(self, name: str) -> Any:
        """The root element of a part."""
        return parse_xml(self.bytes(name), f"damaged {self._form}: {name} is not XML")

    def optional_xml(self, name: str) -> Any:
        """The root element, or None if there is no such part, or it is damaged."""
        if not self.has(name):
            return None
        try:
            return self.xml(name)
        except UnusableRecord:
            return None

    def relations(self, part: str) -> dict[str, tuple[str, str]]:
        """The kind and the target of each relation of a part, by its id."""
        folder, name = posixpath.split(part)
        root = self.optional_xml(posixpath.join(folder, "_rels", f"{name}.rels"))
        found = {}
        for relation in root if root is not None else ():
            if not isinstance(relation.tag, str) or relation.get("TargetMode") == "External":
                continue
            target = relation.get("Target", "")
            path = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
            kind = relation.get("Type", "").rpartition("/")[2]
            found[relation.get("Id", "")] = (kind, unquote(path))
        return found

    def related(self, part: str, kind: str) -> list[str]:
        return [target for found, target in self.relations(part).values() if found == kind]

    def main_part(self, usual: str) -> str:
        """The part with the document. Raises UnusableRecord if the file is of another format."""
        for target in self.related("", "officeDocument"):
            if self.has(target):
                if posixpath.dirname(target) == posixpath.dirname(usual):
                    return target
                break
        if self.has(usual):
            return usual
        raise self.other_format()

    def other_format(self) -> UnusableRecord:
        form = next((form for name, form in _KINDS if self.has(name)), "")
        if not form and self.has("mimetype"):
            kind = self.bytes("mimetype").decode("ascii", "replace").strip()
            ending = {"text": "odt", "presentation": "odp", "spreadsheet": "ods"}
            form = ending.get(kind.rpartition(".")[2], "")
        if form and form != self._form:
            return UnusableRecord(f"is {form}, not {self._form}; rename it or give --format {form}")
        return UnusableRecord(f"a zip without the parts of a {self._form}")


@contextmanager
def open_package(stream: BinaryIO, form: str) -> Iterator[OfficePackage]:
    """Raises UnusableRecord for what is not a zip."""
    with as_seekable(stream) as file:
        start = file.read(_OLE_LOOKED_AT)
        if not start.strip(b"\0 \r\n\t"):
            raise UnusableRecord("empty file")
        if start.startswith(_OLE):
            raise _old_or_encrypted(start, form)
        for sign, other in _OTHERS:
            if start.lstrip().startswith(sign):
                raise UnusableRecord(f"is {other}, not {form}; rename it or give --format {other}")
        file.seek(0)
        try:
            archive = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
            cut = start.startswith(b"PK\x03\x04")
            raise UnusableRecord(
                f"damaged {form}: it is cut off" if cut else f"not a {form}, or a damaged one"
            ) from error
        with archive:
            if len(archive.infolist()) > _MOST_ENTRIES:
                raise UnusableRecord(f"{form} with more than {_MOST_ENTRIES} parts")
            try:
                yield OfficePackage(archive, form)
            except RecursionError as error:
                raise UnusableRecord(f"damaged {form}: elements are nested too deep") from error


def _old_or_encrypted(start: bytes, form: str) -> UnusableRecord:
    if _ENCRYPTED in start:
        return UnusableRecord(f"encrypted {form}; expected one that opens without a password")
    old = _OLD.get(form, "Office")
    return UnusableRecord(
        f"the old binary format ({old}), not {form}; convert it first: "
        f"soffice --headless --convert-to {form if form in _OLD else 'docx'} FILE"
    )


def parse_xml(raw: bytes, problem: str) -> Any:
    """Raises UnusableRecord with the problem."""
    from lxml import etree

    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        remove_comments=True,
    )
    try:
        root = etree.fromstring(raw, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise UnusableRecord(problem) from error
    return root


def local(element: Any) -> str:
    """The name of an element without its namespace, which differs between dialects."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(element: Any, name: str) -> str:
    """An attribute by its name without namespace; empty if it is not there."""
    for key, value in element.attrib.items():
        if key.rpartition("}")[2] == name:
            return str(value)
    return ""


def child(element: Any, name: str) -> Any:
    return next((inner for inner in element if local(inner) == name), None)


def children(element: Any, name: str) -> Iterator[Any]:
    return (inner for inner in element if local(inner) == name)


def descendants(element: Any, name: str) -> Iterator[Any]:
    return (inner for inner in element.iter() if local(inner) == name)


def title_of(package: OfficePackage, part: str = "docProps/core.xml") -> str:
    """The title among a document's own properties."""
    root = package.optional_xml(part)
    if root is None:
        return ""
    found = next(descendants(root, "title"), None)
    return " ".join("".join(found.itertext()).split()) if found is not None else ""
