"""Why bytes are no text in UTF-8, and what they may be instead."""

import re
import unicodedata

_SAMPLE = 4096  # bytes
_PDF = b"%PDF-"
# What is binary, by its first bytes.
_SIGNATURES = (
    (_PDF, "a PDF"),
    (b"PK\x03\x04", "a zip or an Office file"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a file of an old Office"),
    (b"PAR1", "a Parquet file"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"\x7fELF", "a program"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
)
_MAGIC = tuple(magic for magic, _ in _SIGNATURES)
_BREAKING = bytes(range(8)) + bytes(range(0x0E, 0x1B)) + bytes(range(0x1C, 0x20)) + b"\x7f"
_NOT_BREAKING = bytes(set(range(256)) - set(_BREAKING))
_CONTROL = re.compile(b"[" + re.escape(_BREAKING) + b"]")
_END_OF_FILE = b"\x1a"  # of DOS
_REPLACED = "\N{REPLACEMENT CHARACTER}".encode()
# Of a text, at most one in so many characters is of these kinds.
_NULS, _CONTROLS, _REPLACEMENTS = 1000, 50, 20
_WIDE = {
    "utf-32-le": "UTF-32 (little endian)",
    "utf-32-be": "UTF-32 (big endian)",
    "utf-16-le": "UTF-16 (little endian)",
    "utf-16-be": "UTF-16 (big endian)",
}
# Of charsets that the library cannot tell apart, the usual one.
_USUAL = ("cp1252", "cp1251", "gb18030", "cp932", "euc_kr", "koi8_r")
_TOLD_BY_STATISTICS = 20  # bytes beyond ASCII
# Quotes, dashes and signs that stand among Latin letters.
_WESTERN = (
    "\u2018\u2019\u201a\u201c\u201d\u201e\u2013\u2014\u2026\u20ac\xa3\xa7\xb0\xa9\xab\xbb\xa0\xb7"
)
_COMMON = re.compile(r"[ \n\u3001\u3002]|[a-zA-Z]{3}")
_NO_TEXT = {"Cn", "Co", "Cs", "Cc"}


def binary_in(raw: bytes) -> str:
    """Why bytes that may be UTF-8 are no text, as a phrase; empty for text."""
    if raw.endswith(_END_OF_FILE):
        raw = raw.rstrip(_END_OF_FILE)
    controls = raw.translate(None, _NOT_BREAKING)
    if (kind := kind_of_binary(raw)) and (controls or raw.startswith(_PDF)):
        return f"{kind}, not text"
    if controls.count(0) * _NULS > len(raw) or len(controls) * _CONTROLS > len(raw):
        if wide := _wide(raw):
            return _unmarked(wide)
        found = _CONTROL.search(raw)
        at = found.start() if found else 0
        return f"binary, not text: {len(controls):,} control characters, the first at byte {at}"
    if raw.count(_REPLACED) * _REPLACEMENTS > len(raw):
        return (
            f"garbled by an earlier conversion: {raw.count(_REPLACED):,} replacement characters "
            f"(U+FFFD), the first at byte {raw.find(_REPLACED)}"
        )
    return ""


def kind_of_binary(raw: bytes) -> str:
    if not raw.startswith(_MAGIC):  # nearly always
        return ""
    return next(kind for magic, kind in _SIGNATURES if raw.startswith(magic))


def undecodable(raw: bytes, at: int) -> str:
    """What is wrong with bytes that are not UTF-8 from `at` on, as a phrase."""
    if kind := kind_of_binary(raw):
        return f"{kind}, not text"
    if wide := _wide(raw):
        return _unmarked(wide)
    controls = raw[:_SAMPLE].translate(None, _NOT_BREAKING)
    if len(controls) * _CONTROLS > len(raw[:_SAMPLE]):
        return f"binary, not text: not UTF-8 at byte {at}"
    meant = _legacy(raw, at)
    hint = f" (perhaps {meant}: `iconv -f {meant} -t utf-8`)" if meant else ""
    return f"not UTF-8 at byte {at}{hint}"


def _is_western(sample: bytes) -> bool:
    """Whether a few accents stand among many plain letters, too few for statistics to tell more."""
    foreign = bytes(byte for byte in sample if byte > 127)
    plain = sum(chr(byte).isalpha() for byte in sample if byte < 128)
    if len(foreign) >= _TOLD_BY_STATISTICS or 3 * len(foreign) > plain:
        return False
    signs = foreign.decode("cp1252", "replace")
    return all(unicodedata.name(s, "").startswith("LATIN") or s in _WESTERN for s in signs)


def _unmarked(name: str) -> str:
    code = name.split()[0] + ("LE" if "little" in name else "BE")
    return (
        f"not UTF-8 at byte 0, but {name} without a byte order mark, it seems; convert it: "
        f"`iconv -f {code} -t utf-8`"
    )


def _wide(raw: bytes) -> str:
    """UTF-16 or UTF-32 without a mark."""
    sample = raw[:_SAMPLE]
    for code, name in _WIDE.items():
        width = 4 if "32" in code else 2
        if len(raw) % width and len(raw) <= _SAMPLE:
            continue
        try:
            text = sample[: len(sample) // width * width].decode(code)
        except UnicodeDecodeError as error:
            if error.start < len(sample) - width:
                continue
            text = sample[: error.start].decode(code)
        if text and _COMMON.search(text) and _is_plausible(text):
            return name
    return ""


def _is_plausible(text: str) -> bool:
    return all(sign in "\t\r\n\f" or unicodedata.category(sign) not in _NO_TEXT for sign in text)


def _legacy(raw: bytes, at: int) -> str:
    """The likeliest charset, if the library that tells it is installed."""
    try:
        from charset_normalizer import from_bytes
    except ImportError:  # the extra [formats] is not installed
        return ""
    start = max(at - _SAMPLE // 2, 0)
    sample = raw[start : start + _SAMPLE]
    if _is_western(sample):
        return "cp1252"
    found = from_bytes(sample).best()
    if found is None or found.encoding.startswith("utf"):
        return ""
    return next((name for name in _USUAL if name in found.could_be_from_charset), found.encoding)
