"""What tells one content from another in a stored chunk's `hash`."""

import hashlib


def digest(content: bytes) -> str:
    """20 hexadecimal digits of SHA-256."""
    return hashlib.sha256(content).hexdigest()[:20]
