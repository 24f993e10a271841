"""Decodes and encodes large BSON documents piece by piece, in a thread.

PyMongo's codec is C code that lets no other Python thread run until it is done. A command of
16 MiB would hold up the event loop, and so every client, for as long.
"""

import struct
from collections.abc import Iterable, Mapping
from typing import Any

import bson
from bson.codec_options import CodecOptions
from bson.errors import InvalidBSON

STEP_BYTES = 64 * 2**10  # PyMongo reads them in well under a millisecond
_STEP_VALUES = 2000
_DOCUMENT, _ARRAY = 3, 4
# Bytes of a value by its type. Other values begin with their length, or consist of two names.
_FIXED = {0x01: 8, 0x06: 0, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8}
_FIXED |= {0x13: 16, 0x7F: 0, 0xFF: 0}
_BESIDE_LENGTH = {0x02: 4, 0x0D: 4, 0x0E: 4, 0x03: 0, 0x04: 0, 0x05: 5, 0x0F: 0, 0x0C: 16}
_REGEX = 0x0B
_length = struct.Struct("<i").unpack_from
_MAX_DEPTH = 250  # levels; mongod itself accepts 200

Codec = CodecOptions[dict[str, Any]]


def decode(document: bytes, codec: Codec, *, step: int = STEP_BYTES) -> dict[str, Any]:
    """Like `bson.decode`; RecursionError if it is nested deeper than mongod accepts."""
    if len(document) <= step:
        return bson.decode(document, codec)
    decoded: dict[str, Any] = _Decoder(document, codec, step).container(0, _DOCUMENT, 0)
    return decoded


def encode(document: Mapping[str, Any], codec_options: Codec) -> bytes:
    """Like `bson.encode` of a document without a top-level `_id`."""
    return b"".join(_document(document.items(), codec_options))


def release(container: Any) -> None:
    """Empty a container piece by piece: freeing a million values at once also takes long."""
    if isinstance(container, dict):
        while container:
            release(container.popitem()[1])
    elif isinstance(container, list):
        while container:
            part = container[-_STEP_VALUES:]
            del container[-_STEP_VALUES:]
            for value in part:
                if isinstance(value, dict | list):
                    release(value)


class _Decoder:
    def __init__(self, data: bytes, codec: Codec, step: int) -> None:
        self._data = data
        self._codec = codec
        self._step = step

    def container(self, at: int, kind: int, depth: int) -> Any:
        """The document or array that begins there. Small neighbours are decoded together, large
        values each alone."""
        if depth > _MAX_DEPTH:
            raise RecursionError("nested too deeply")
        end = at + self._sized(at, 5) - 1
        if self._data[end] != 0:
            raise InvalidBSON("bad eoo")
        found: Any = [] if kind == _ARRAY else {}
        add = found.extend if kind == _ARRAY else found.update
        begin = at = at + 4
        while at < end:
            value, after = self._element(at, end)
            if after - value > self._step and self._data[at] in (_DOCUMENT, _ARRAY):
                add(self._piece(begin, at, kind))
                inner = self.container(value, self._data[at], depth + 1)
                key = self._data[at + 1 : value - 1].decode(
                    errors=self._codec.unicode_decode_error_handler or "strict"
                )
                add([inner] if kind == _ARRAY else {key: inner})
                begin = after
            elif after - begin > self._step:
                add(self._piece(begin, after, kind))
                begin = after
            at = after
        add(self._piece(begin, end, kind))
        return found

    def _piece(self, begin: int, end: int, kind: int) -> Any:
        size, elements = end - begin, self._data[begin:end]
        if kind == _DOCUMENT:
            document = b"".join((struct.pack("<i", size + 5), elements, b"\0"))
            return bson.decode(document, self._codec)
        head = struct.pack("<iBBi", size + 12, kind, 0, size + 5)
        return bson.decode(b"".join((head, elements, b"\0\0")), self._codec)[""]

    def _element(self, at: int, end: int) -> tuple[int, int]:
        """Where the element's value begins, and where the next element begins."""
        data = self._data
        kind = data[at]
        value = data.find(b"\0", at + 1, end) + 1
        if not value:
            raise InvalidBSON("an element whose name does not end")
        if (size := _FIXED.get(kind)) is None:
            if kind == _REGEX:
                pattern_end = data.find(b"\0", value, end) + 1
                size = data.find(b"\0", pattern_end, end) + 1 - value if pattern_end else 0
            elif (beside := _BESIDE_LENGTH.get(kind)) is not None:
                size = self._sized(value, 0) + beside
            else:
                raise InvalidBSON(f"an element of unknown type {kind}")
            if size <= 0:
                raise InvalidBSON("an element that is cut off")
        if value + size > end:
            raise InvalidBSON("an element that is longer than its document")
        return value, value + size

    def _sized(self, at: int, least: int) -> int:
        if at + 4 > len(self._data):
            raise InvalidBSON("a length that is cut off")
        size: int = _length(self._data, at)[0]
        if not least <= size <= len(self._data) - at:
            raise InvalidBSON(f"a value of {size} bytes; {len(self._data) - at} are left")
        return size


def _document(items: Iterable[tuple[str, Any]], codec: Codec) -> list[bytes]:
    """Encode in a limited number of pieces; neighbouring scalars are encoded together."""
    joined: list[bytes] = []
    pieces: list[bytes] = []
    scalars: dict[str, Any] = {}

    def flush() -> None:
        if scalars:
            # Nested, since PyMongo moves a top-level `_id` to the front.
            pieces.append(bson.encode({"": scalars}, codec_options=codec)[10:-2])
            scalars.clear()
        if len(pieces) > _STEP_VALUES:
            joined.append(b"".join(pieces))
            pieces.clear()

    for key, value in items:
        if isinstance(value, Mapping):
            flush()
            inner = _document(value.items(), codec)
            pieces += [_name(_DOCUMENT, key), *inner]
        elif isinstance(value, list):
            flush()
            pieces += [_name(_ARRAY, key), *_array(value, codec)]
        else:
            scalars[key] = value
            if len(scalars) >= _STEP_VALUES:
                flush()
    flush()
    elements = [*joined, *pieces, b"\0"]
    return [struct.pack("<i", 4 + sum(map(len, elements))), *elements]


def _array(values: list[Any], codec: Codec) -> list[bytes]:
    return _document(((str(at), value) for at, value in enumerate(values)), codec)


def _name(kind: int, key: str) -> bytes:
    name = key.encode()
    if b"\0" in name:
        raise bson.errors.InvalidDocument("Key names must not contain the NULL byte")
    return bytes((kind,)) + name + b"\0"
