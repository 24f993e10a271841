"""Several processes that encode, and none that is left behind."""

import json
import subprocess
import sys
import time
from multiprocessing import active_children
from pathlib import Path

import numpy as np

from leafsearch.vectors import load_encoder
from leafsearch.vectors.alignment import PROBES
from leaftests.vectors.building import built

MANY = [f"{n} {' '.join(PROBES * (1 + n % 3))}" for n in range(200)] + [""]
PROGRAM = """
import json, sys, time
from multiprocessing import active_children
import numpy as np
from leafsearch.vectors import load_encoder

if __name__ == "__main__":
    encoder = load_encoder(sys.argv[1], devices=["cpu", "cpu"])
    assert encoder.encode_precision == sys.argv[2]
    np.save("rows.npy", encoder.encode_documents(json.load(open("texts.json"))))
    print(*[child.pid for child in active_children()], flush=True)
    time.sleep(600)
"""


def test_texts_of_one_batch_need_no_process(published_pair: tuple[str, str]) -> None:
    encoder = load_encoder(published_pair[1], devices=["cpu", "cpu"])
    before = active_children()

    assert encoder.encode_documents(PROBES).shape == (len(PROBES), 64)
    assert encoder.encode_documents([]).shape == (0, 64)
    assert active_children() == before


def test_two_processes_give_the_rows_of_one_and_outlive_no_kill(tmp_path: Path) -> None:
    """One program for both, since three processes that import torch are much to start."""
    name = built(tmp_path, "Bert")
    alone = load_encoder(name, devices=["cpu"])
    wanted = alone.encode_documents(MANY)
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "texts.json").write_text(json.dumps(MANY))
    command = [sys.executable, "program.py", name, alone.encode_precision or ""]
    running = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        children = [int(pid) for pid in running.stdout.readline().split()]
        assert len(children) == 2
        assert np.sum(np.load(tmp_path / "rows.npy") * wanted, axis=1).min() > 0.99999
        assert all(map(is_running, children))
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
