"""Decoders of gzip, zstd, bzip2 and xz: one member or frame each, fed in small steps.

The libraries drop what a call has unpacked once it meets damage. So a step is small, and unpacks to
a few megabytes at most, whatever the stream claims.
"""

import bz2
import lzma
import zlib
from importlib import import_module
from typing import Any, Protocol

from leafsearch.ingest.sources.files.formats import ZSTD, Compression

# Packed bytes of one step. The worst streams unpack one to 4 MiB (gzip), 8 MiB (zstd), 2 MiB (xz),
# 90 MiB (bzip2, whose blocks of equal bytes are that large).
STEPS: dict[Compression, int] = {"gzip": 4096, "zstd": 256, "xz": 256, "bzip2": 32, "deflate": 4096}
_MEMORY = 512 * 2**20  # bytes that xz may use; its highest level needs 65 MiB
_LONGEST_HEADER = 2**20
_NAME, _COMMENT, _EXTRA, _HEADER_CHECKED = 8, 16, 4, 2
_TRAILER = 8


class Damage(Exception):
    """The packed bytes cannot be unpacked from here on; the reason, as a phrase."""


class Decoder(Protocol):
    """`has_all`: the content is complete, though a checksum after it may be missing. `fault`: why
    the complete content is not to be trusted. `unused`: packed bytes after the end."""

    @property
    def has_all(self) -> bool: ...
    @property
    def is_done(self) -> bool: ...
    @property
    def fault(self) -> str: ...
    @property
    def unused(self) -> bytes: ...

    def decode(self, packed: bytes) -> bytes:
        """Raises Damage."""


def new_decoder(compression: Compression) -> Decoder:
    if compression == "gzip":
        return _Gzip()
    if compression == "bzip2":
        return _Library(bz2.BZ2Decompressor(), OSError)
    if compression == "xz":
        return _Library(lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY), lzma.LZMAError)
    if compression == "deflate":
        return _Library(zlib.decompressobj(-zlib.MAX_WBITS), zlib.error)
    zstd: Any = import_module(ZSTD)
    return _Library(zstd.ZstdDecompressor(), zstd.ZstdError)


class _Library:
    fault = ""

    def __init__(self, inner: Any, error: type[Exception]) -> None:
        self._inner = inner
        self._error = error

    @property
    def is_done(self) -> bool:
        return bool(self._inner.eof)

    has_all = is_done

    @property
    def unused(self) -> bytes:
        return bytes(self._inner.unused_data)

    def decode(self, packed: bytes) -> bytes:
        try:
            return bytes(self._inner.decompress(packed))
        except self._error as error:
            raise Damage(_phrase(error)) from error


def _phrase(error: Exception) -> str:
    reason = str(error)
    if "too much memory" in reason or "Memory usage limit" in reason:
        return "it needs more memory than is allowed; unpack it first, e.g. by zstd -d --long=31"
    return reason


class _Gzip:
    """Header and trailer are read here, because zlib does not tell a stream that lacks only its
    checksum from one that lacks content."""

    def __init__(self) -> None:
        self._header = bytearray()
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        self._trailer = b""
        self._is_in_header = True
        self._crc = self._size = 0
        self.has_all = self.is_done = False
        self.fault = ""
        self.unused = b""

    def decode(self, packed: bytes) -> bytes:
        if self._is_in_header:
            self._header += packed
            end = _end_of_header(self._header)
            if end is None:
                return b""
            self._is_in_header, packed = False, bytes(self._header[end:])
        content = b""
        if not self.has_all:
            content = self._inflated(packed)
            packed = self._inflate.unused_data
        if self.has_all:
            self._end(packed)
        return content

    def _inflated(self, packed: bytes) -> bytes:
        try:
            content = self._inflate.decompress(packed)
        except zlib.error as error:
            raise Damage(str(error)) from error
        self._crc = zlib.crc32(content, self._crc)
        self._size += len(content)
        self.has_all = self._inflate.eof
        return content

    def _end(self, packed: bytes) -> None:
        self._trailer += packed
        self.is_done = len(self._trailer) >= _TRAILER
        if self.is_done:
            self.unused = self._trailer[_TRAILER:]
            found = self._crc.to_bytes(4, "little") + (self._size % 2**32).to_bytes(4, "little")
            if self._trailer[:_TRAILER] != found:
                self.fault = "its content does not match its checksum"


def _end_of_header(header: bytearray) -> int | None:
    """None if it is not complete yet. Raises Damage."""
    if not b"\x1f\x8b\x08".startswith(header[:3]):
        raise Damage("no gzip header")
    if len(header) > _LONGEST_HEADER:
        raise Damage(f"a gzip header of more than {_LONGEST_HEADER} bytes")
    if len(header) < 10:
        return None
    flags, end = header[3], 10
    if flags & _EXTRA:
        end += 2 + int.from_bytes(header[end : end + 2], "little")
    for _ in filter(None, (flags & _NAME, flags & _COMMENT)):
        if (zero := header.find(0, end)) < 0:
            return None
        end = zero + 1
    end += 2 if flags & _HEADER_CHECKED else 0
    return end if end <= len(header) else None
