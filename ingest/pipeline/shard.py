"""Which documents of a corpus are one machine's, when several write to the same collection."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Shard:
    """The `index`-th of `count`, from 1. A document's id alone decides, the same everywhere."""

    index: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Of `i/n`. Raises ValueError, as a phrase."""
        index, slash, count = text.partition("/")
        if not (slash and index.isdecimal() and count.isdecimal() and int(count)):
            raise ValueError("expected i/n, like 1/4 on the first of four machines")
        if not 1 <= int(index) <= int(count):
            raise ValueError(f"expected 1/{count} to {count}/{count}")
        return cls(int(index), int(count))

    def holds(self, document: str) -> bool:
        if self.count == 1:
            return True
        hashed = hashlib.blake2b(document.encode(), digest_size=8).digest()
        return int.from_bytes(hashed, "big") % self.count == self.index - 1


WHOLE = Shard()
