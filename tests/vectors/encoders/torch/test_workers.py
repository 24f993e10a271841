"""Several processes that encode, and none that is left behind."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pytest

from leafsearch.vectors import load_encoder
from leafsearch.vectors.encoders import PROBES
from leafsearch.vectors.encoders.base import Rows
from leaftests.vectors.building import MIXED, built

MANY = [f"{n} {' '.join(PROBES * (1 + n % 3))}" for n in range(200)] + [""]
PROGRAM = """
import json, sys, time
from multiprocessing import active_children
import numpy as np
from leafsearch.vectors import load_encoder

if __name__ == "__main__":
    alone = load_encoder(sys.argv[1], devices=["cpu"])
    np.save("mixed.npy", alone.encode_documents(json.load(open("mixed.json"))))
    encoder = load_encoder(sys.argv[2], devices=["cpu", "cpu"])
    assert encoder.encode_precision == sys.argv[3]
    np.save("rows.npy", encoder.encode_documents(json.load(open("texts.json"))))
    print(*[child.pid for child in active_children()], flush=True)
    time.sleep(600)
"""


@dataclass(frozen=True)
class Elsewhere:
    """A process that has encoded `MIXED` alone and `MANY` with two others, which are its children;
    one for all tests, since each that imports torch is much to start."""

    process: subprocess.Popen[str]
    children: list[int]
    mixed: Rows
    rows: Rows
    wanted: Rows  # of what is here `rows`, by one process


@pytest.fixture(scope="module")
def elsewhere(minilm: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    folder = tmp_path_factory.mktemp("elsewhere")
    name = built(folder, "Bert")
    alone = load_encoder(name, devices=["cpu"])
    (folder / "program.py").write_text(PROGRAM)
    for file, texts in (("texts.json", MANY), ("mixed.json", MIXED)):
        (folder / file).write_text(json.dumps(texts))
    command = [sys.executable, "program.py", minilm, name, alone.encode_precision or ""]
    running = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    try:
        wanted = alone.encode_documents(MANY)
        assert running.stdout is not None
        children = [int(pid) for pid in running.stdout.readline().split()]
        mixed, rows = np.load(folder / "mixed.npy"), np.load(folder / "rows.npy")
        yield Elsewhere(running, children, mixed, rows, wanted)
    finally:
        running.kill()
        running.communicate()


def test_texts_of_one_batch_need_no_process(published_pair: tuple[str, str]) -> None:
    encoder = load_encoder(published_pair[1], devices=["cpu", "cpu"])
    before = active_children()

    assert encoder.encode_documents(PROBES).shape == (len(PROBES), 64)
    assert encoder.encode_documents([]).shape == (0, 64)
    assert active_children() == before


def test_another_process_computes_the_same_to_the_last_bit(
    elsewhere: Elsewhere, minilm: str
) -> None:
    here = load_encoder(minilm, devices=["cpu"])

    assert np.array_equal(elsewhere.mixed, here.encode_documents(MIXED))


def test_two_processes_give_the_rows_of_one_and_outlive_no_kill(elsewhere: Elsewhere) -> None:
    assert len(elsewhere.children) == 2
    assert np.sum(elsewhere.rows * elsewhere.wanted, axis=1).min() > 0.99999
    assert all(map(is_running, elsewhere.children))

    elsewhere.process.kill()

    deadline = time.monotonic() + 120
    while any(is_running(pid) for pid in elsewhere.children):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
