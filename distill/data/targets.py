"""The teacher's vectors of all texts, computed once into a memory-mapped file.

A killed run resumes after the last complete block.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leafsearch.distill.data.examples import Example
from leafsearch.distill.errors import DistillError
from leafsearch.vectors import Rows
from leafsearch.vectors.encoders import TransformerEncoder

_BLOCK = 8_192  # texts; sorted by length inside, so little is lost on short last batches
_ROWS, _STATE = "targets.npy", "targets.json"


def compute_targets(
    teacher: TransformerEncoder,
    examples: Sequence[Example],
    folder: Path,
    on_progress: Callable[[int, int], None],
) -> NDArray[np.float16]:
    """(n, dimensions), read-only; `on_progress` gets the texts done and their number.

    Raises DistillError if `folder` holds vectors of other texts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made_of = _fingerprint(teacher, examples)
    state = _read_state(folder, made_of)
    rows = _open_rows(folder, (len(examples), teacher.dimensions), state["done"])
    for start in range(state["done"], len(examples), _BLOCK):
        on_progress(start, len(examples))
        some = examples[start : start + _BLOCK]
        rows[start : start + len(some)] = _encode(teacher, some)
        rows.flush()
        _write_state(folder, {"made_of": made_of, "done": start + len(some)})
    on_progress(len(examples), len(examples))
    return np.load(folder / _ROWS, mmap_mode="r")  # type: ignore[no-any-return]


def _encode(teacher: TransformerEncoder, examples: Sequence[Example]) -> Rows:
    """Encode each with the prompt of its kind.

    All go through encode_documents where that gives the same vectors, because documents use all
    devices, without padding.
    """
    if not teacher.document_prompt and _counts_prompts(teacher):
        prompts = "", teacher.query_prompt
        return teacher.encode_documents([prompts[one.is_query] + one.text for one in examples])
    if teacher.query_prompt == teacher.document_prompt:
        return teacher.encode_documents([one.text for one in examples])
    rows = np.empty((len(examples), teacher.dimensions), dtype=np.float32)
    for is_query, encode in ((False, teacher.encode_documents), (True, teacher.encode_queries)):
        some = [i for i, one in enumerate(examples) if one.is_query is is_query]
        rows[some] = encode([examples[i].text for i in some])
    return rows


def _counts_prompts(teacher: TransformerEncoder) -> bool:
    """Whether the tokens of a prompt are pooled like any others."""
    return all(getattr(module, "include_prompt", True) for module in teacher.model)


def _open_rows(folder: Path, shape: tuple[int, int], done: int) -> Any:
    file = folder / _ROWS
    if done:
        return np.load(file, mmap_mode="r+")
    rows = np.lib.format.open_memmap(file, mode="w+", dtype=np.float16, shape=shape)
    with file.open("r+b") as opened:
        # Fail now if the disk is full: while rows are written, it would kill the process.
        os.posix_fallocate(opened.fileno(), 0, file.stat().st_size)
    return rows


def _read_state(folder: Path, made_of: str) -> dict[str, Any]:
    file = folder / _STATE
    if not file.is_file():
        return {"made_of": made_of, "done": 0}
    found: dict[str, Any] = json.loads(file.read_text())
    if found["made_of"] != made_of:
        raise DistillError(
            f"{folder} holds the teacher's vectors of other texts, or of another teacher; remove "
            "it, or give another --work"
        )
    return found


def _write_state(folder: Path, state: dict[str, Any]) -> None:
    part = folder / f"{_STATE}.part"
    part.write_text(json.dumps(state))
    os.replace(part, folder / _STATE)


def _fingerprint(teacher: TransformerEncoder, examples: Sequence[Example]) -> str:
    digest = hashlib.sha256(f"{teacher.name}\0{teacher.revision}\0".encode())
    for example in examples:
        digest.update(f"{int(example.is_query)}{example.text}\0".encode(errors="replace"))
    return digest.hexdigest()[:32]
