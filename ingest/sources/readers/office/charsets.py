"""Charsets of RTF: the code page of a document, and those of its fonts."""

import codecs
import re
from collections.abc import Callable
from functools import cache

# The number of a font's charset, and the code page that it means.
_PAGES = {
    77: 10000,
    128: 932,
    129: 949,
    130: 1361,
    134: 936,
    136: 950,
    161: 1253,
    162: 1254,
    163: 1258,
    177: 1255,
    178: 1256,
    186: 1257,
    204: 1251,
    222: 874,
    238: 1250,
    254: 437,
    255: 850,
}
_NAMES = {10000: "mac_roman", 1361: "johab", 65001: "utf-8", 936: "gb18030", 708: "iso8859-6"}
FIXED_WIDTH = re.compile(r"courier|mono|consol|menlo|fixed|typewriter", re.IGNORECASE)


class FontTable:
    """Fonts by their number; `page` is the code page of text in all others."""

    def __init__(self) -> None:
        self.page = 1252
        self._pages: dict[int, int] = {}
        self._fixed: set[int] = set()
        self._now = 0

    def word(self, word: str, value: int | None) -> None:
        """A control word inside the table."""
        if word == "f":
            self._now = value or 0
        elif word == "fcharset" and value in _PAGES:
            self._pages[self._now] = _PAGES[value]
        elif word == "cpg" and value:
            self._pages[self._now] = value
        elif word == "fmodern":
            self._fixed.add(self._now)

    def name(self, text: str) -> None:
        if FIXED_WIDTH.search(text):
            self._fixed.add(self._now)

    def charset(self, font: int) -> str:
        page = self._pages.get(font, self.page)
        return _NAMES.get(page, f"cp{page}")

    def is_fixed(self, font: int) -> bool:
        return font in self._fixed


@cache
def decoder_of(charset: str) -> Callable[[bytes], str]:
    """Bytes that are not in the charset are read as Windows' Western one."""
    try:
        codecs.lookup(charset)
    except LookupError:
        charset = "cp1252"

    def decode(raw: bytes) -> str:
        try:
            return raw.decode(charset)
        except UnicodeDecodeError:
            return raw.decode("cp1252", "replace")

    return decode
