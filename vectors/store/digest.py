"""What tells one content from another: in a stored chunk's `hash` and `version`."""

import hashlib

LENGTH = 8  # bytes; only contents under one id are ever compared


def digest(content: bytes) -> bytes:
    """The beginning of SHA-256."""
    return hashlib.sha256(content).digest()[:LENGTH]


def of_encoded(hash: bytes) -> bytes:
    """Of a chunk's `hash`, what is of the encoded text."""
    return hash[:LENGTH]
