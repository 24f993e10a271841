"""Several processes that encode, and none that is left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pytest

from vectors import ModelError, Teacher, load_encoder
from vectors.alignment import PROBES

MANY = [" ".join(PROBES * (1 + n % 3)) for n in range(60)] + [""]
PROGRAM = """
import sys, time
from multiprocessing import active_children
from vectors import load_encoder

if __name__ == "__main__":
    encoder = load_encoder(sys.argv[1], devices=["cpu", "cpu"])
    encoder.encode_documents(["some words " * 60] * 40)
    print(*[child.pid for child in active_children()], flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def two(published_pair: tuple[str, str]) -> Iterator[Teacher]:
    """With two processes, that start when they are needed: anew, if they have died."""
    encoder = load_encoder(published_pair[1], devices=["cpu", "cpu"])
    yield encoder
    encoder.close()
    assert active_children() == []


def test_texts_of_one_batch_need_no_process(published_pair: tuple[str, str]) -> None:
    encoder = load_encoder(published_pair[1], devices=["cpu", "cpu"])
    before = active_children()

    assert encoder.encode_documents(PROBES).shape == (len(PROBES), 64)
    assert encoder.encode_documents([]).shape == (0, 64)
    assert active_children() == before


def test_two_processes_give_the_rows_of_one(two: Teacher, published_pair: tuple[str, str]) -> None:
    wanted = load_encoder(published_pair[1], devices=["cpu"]).encode_documents(MANY)

    rows = two.encode_documents(MANY)

    assert np.allclose(rows, wanted, atol=1e-6)
    assert len(active_children()) == 2


def test_a_process_that_dies_is_an_error(two: Teacher) -> None:
    batches = two.document_batches(MANY)
    next(batches)

    os.kill(active_children()[0].pid or 0, signal.SIGKILL)

    with pytest.raises(ModelError, match="one of the 2 processes that encode on cpu, cpu has end"):
        list(two.document_batches(MANY))
    assert active_children() == []


def test_no_process_outlives_the_one_that_was_killed(
    published_pair: tuple[str, str], tmp_path: Path
) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, str(program), published_pair[1]]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        children = [int(pid) for pid in running.stdout.readline().split()]
        assert len(children) == 2
    finally:
        running.kill()
        running.communicate()

    deadline = time.monotonic() + 120
    while any(is_running(pid) for pid in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
