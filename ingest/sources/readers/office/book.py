"""EPUB: the chapters in the order of reading.

Left out and reported: a table of contents that is a page of its own. A book with copy protection is
rejected.
"""

import codecs
import posixpath
import re
from collections.abc import Iterator
from typing import Any, BinaryIO
from urllib.parse import unquote

from leafsearch.ingest.document import Place, Records, Rejected
from leafsearch.ingest.sources.files.records import UnusableRecord
from leafsearch.ingest.sources.readers.html import to_markdown
from leafsearch.ingest.sources.readers.markup.markdown import MarkdownText
from leafsearch.ingest.sources.readers.office.package import (
    OfficePackage,
    attribute,
    child,
    children,
    descendants,
    open_package,
)
from leafsearch.ingest.sources.readers.text import Whole, decode

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_PAGES = {"application/xhtml+xml", "text/html", "text/x-oeb1-document", "application/xml"}
_CHARSET = re.compile(rb"<\?xml[^>]*encoding\s*=\s*[\"']([\w.:-]+)", re.IGNORECASE)
_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
_TITLE = re.compile(r"<title\b[^>]*>.*?</title\s*>", re.IGNORECASE | re.DOTALL)
_SELF_CLOSED = re.compile(
    r"<(a|p|div|span|i|b|em|td|th|li|script|title|h[1-6])(\s[^<>]*?)?/>", re.I
)
_HEADING = re.compile(r"^#{1,6}[ \t]+(\S.*)$", re.MULTILINE)


def read_epub(stream: BinaryIO, whole: Whole) -> Records:
    """The title is the book's own, else its first heading."""
    try:
        with open_package(stream, "epub") as package:
            book = _Book(package)
            written = book.written()
            title = book.title or written.title
        yield written.document(whole, title, "epub")
    except UnusableRecord as error:
        yield Rejected(Place(whole.file), str(error))


class _Book:
    def __init__(self, package: OfficePackage) -> None:
        self._package = package
        if not package.has(_CONTAINER):
            raise package.other_format()
        root = next(descendants(package.xml(_CONTAINER), "rootfile"), None)
        self._part = unquote(attribute(root, "full-path")) if root is not None else ""
        self._root = package.xml(self._part)
        self._protected = set(self._encrypted())
        found = next(descendants(self._root, "title"), None)
        self.title = " ".join("".join(found.itertext()).split()) if found is not None else ""

    def written(self) -> MarkdownText:
        out = MarkdownText()
        for part, is_contents in self._spine():
            if part in self._protected:
                raise UnusableRecord("an epub with copy protection; expected one without")
            if not self._package.has(part):
                out.notes.append(f"its chapter {part} is missing in the file")
                continue
            text = to_markdown(self._page(part))
            if is_contents:
                out.leave_out("table of contents", text)
                continue
            if not out.title and (heading := _HEADING.search(text)):
                out.title = heading[1]
            out.block(text)
        return out

    def _spine(self) -> Iterator[tuple[str, bool]]:
        """The part of each chapter, and whether it is the table of contents."""
        manifest = child(self._root, "manifest")
        items = children(manifest, "item") if manifest is not None else iter(())
        listed = {attribute(item, "id"): item for item in items}
        guide = child(self._root, "guide")
        contents = {
            self._located(reference)
            for reference in (children(guide, "reference") if guide is not None else ())
            if attribute(reference, "type").lower() == "toc"
        }
        spine = child(self._root, "spine")
        for reference in children(spine, "itemref") if spine is not None else ():
            item = listed.get(attribute(reference, "idref"))
            if item is not None and attribute(item, "media-type") in _PAGES:
                part = self._located(item)
                is_nav = "nav" in attribute(item, "properties").split()
                yield part, is_nav or part in contents

    def _located(self, item: Any) -> str:
        folder = posixpath.dirname(self._part)
        path = unquote(attribute(item, "href").partition("#")[0])
        return posixpath.normpath(posixpath.join(folder, path))

    def _page(self, part: str) -> str:
        raw = self._package.bytes(part)
        declared = _CHARSET.search(raw[:200])
        charset = declared[1].decode() if declared else "utf-8"
        try:
            codecs.lookup(charset)
            page = decode(raw, charset)
        except (LookupError, UnusableRecord):
            page = raw.decode("cp1252", "replace")
        page = _TITLE.sub("", _DECLARATION.sub("", page))
        # In XHTML an empty element may close itself; in HTML it would swallow what follows.
        return _SELF_CLOSED.sub(r"<\1\2></\1>", page)

    def _encrypted(self) -> Iterator[str]:
        root = self._package.optional_xml(_ENCRYPTION)
        for data in descendants(root, "EncryptedData") if root is not None else ():
            method = next(descendants(data, "EncryptionMethod"), None)
            if method is not None and attribute(method, "Algorithm") in _FONTS:
                continue
            for reference in descendants(data, "CipherReference"):
                yield posixpath.normpath(unquote(attribute(reference, "URI")))
