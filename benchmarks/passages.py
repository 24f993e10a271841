"""Passages of given lengths, from NFCorpus or, where it is missing, Python's documentation."""

import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
from tokenizers import Tokenizer

LEAST, MOST = 8, 256  # tokens
_CORPUS = 4096
_TOGETHER = 32
_DATA = Path(os.environ.get("LEAF_TEST_DATA") or Path(__file__).parents[2] / "shared/data")


def mixed(folder: str, batches: int) -> list[str]:
    """So many of the batches that sentence-transformers makes of a corpus of thousands.

    It sorts by characters and takes 32 texts at a time. All of them would take hours; fewer texts
    than these, sorted, would differ more in length within a batch than those of a corpus do.
    """
    rng = np.random.default_rng(1)
    corpus = passages(folder, rng.integers(LEAST, MOST, size=_CORPUS, endpoint=True).tolist())
    corpus.sort(key=len, reverse=True)
    step = _CORPUS / batches
    starts = [int(step * (number + 0.5)) // _TOGETHER * _TOGETHER for number in range(batches)]
    chosen = [text for start in starts for text in corpus[start : start + _TOGETHER]]
    return [chosen[place] for place in rng.permutation(len(chosen))]


def passages(folder: str, lengths: Sequence[int]) -> list[str]:
    """Make passages of that many tokens each, special tokens included."""
    known = tokenizer(folder)
    special = len(known.encode(""))
    wanted = iter([length - special for length in lengths])
    found: list[str] = []
    while True:  # once more from the beginning, where much is wanted
        for text in articles():
            offsets = known.encode(text, add_special_tokens=False).offsets
            start = 0
            while start + MOST <= len(offsets):
                length = next(wanted, None)
                if length is None:
                    return found
                found.append(text[offsets[start][0] : offsets[start + length - 1][1]])
                start += length


def articles() -> list[str]:
    file = _DATA / "nfcorpus.zip"
    if not file.is_file():
        return list(topics.values())
    with zipfile.ZipFile(file) as opened:
        (name,) = (name for name in opened.namelist() if name.endswith("corpus.jsonl"))
        return [json.loads(line)["text"] for line in opened.read(name).splitlines()]


def tokenizer(folder: str) -> Tokenizer:
    found = Tokenizer.from_file(f"{folder}/tokenizer.json")
    found.no_truncation()
    found.no_padding()
    return found
