"""Killed twice and started again, a run ends with the very student of one that was left alone."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from leafsearch.distill.request import DistillRequest
from leafsearch.distill.run import distil
from leafsearch.distill.train.loop import CHECKPOINT, read_step
from leafsearch.vectors import load_encoder
from leaftests.distill.making import Heard, commanded, ordered, weights

EXAMPLES, BLOCK = 9_000, 8_192  # more than a block of the teacher's vectors


def options(order: DistillRequest) -> list[str]:
    recipe = order.recipe
    return [
        *("--teacher", order.teacher, "--texts", *order.texts.paths),
        *("--out", str(order.out), "--work", str(order.work)),
        *("--examples", str(order.texts.most), "--words", str(order.texts.words)),
        *("--epochs", str(recipe.epochs), "--batch", str(recipe.rows)),
        *("--learning-rate", str(recipe.peak), "--checkpoint-seconds", "0.3", "--json"),
    ]


def killed_when(order: DistillRequest, condition: Callable[[], bool]) -> str:
    """What it said on stderr until SIGKILL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "leafsearch.distill", *options(order)],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 300
        while process.poll() is None and not condition():
            assert time.monotonic() < deadline
            time.sleep(0.002)
    finally:
        process.kill()
        _, said = process.communicate()
    assert process.returncode == -signal.SIGKILL, said
    return said


@pytest.mark.long
def test_a_killed_run_resumes_as_if_nothing_had_happened(
    published_pair: tuple[str, str], texts: Path, tmp_path: Path
) -> None:
    order = ordered(
        tmp_path, published_pair[0], texts, examples=EXAMPLES, words=8, rows=256, epochs=1
    )
    state, checkpoint = order.work / "targets.json", order.work / CHECKPOINT

    killed_when(order, state.is_file)
    assert done(state) == BLOCK
    block = np.load(order.work / "targets.npy")[:BLOCK]

    said = killed_when(order, checkpoint.is_file)
    assert f"teacher: {BLOCK:,} of {EXAMPLES:,} texts" in said
    assert "teacher: 0 of" not in said
    assert done(state) == EXAMPLES
    assert np.array_equal(np.load(order.work / "targets.npy")[:BLOCK], block)
    written, step = state.stat().st_mtime_ns, read_step(order.work)
    assert step > 0

    ended = commanded(*options(order))
    assert ended.code == 0, ended.err
    assert f"training resumes after step {step}\n" in ended.err
    assert f"leaf-distill: step {step + 1} of " in ended.err
    assert "leaf-distill: step 1 of " not in ended.err
    assert state.stat().st_mtime_ns == written

    alone = replace(order, work=undisturbed(order, tmp_path / "undisturbed"))
    heard = Heard()
    wanted = distil(alone, heard.listener())
    student = SentenceTransformer(str(order.out), device="cpu")
    assert heard.states[-1].steps > step
    assert torch.allclose(weights(student), weights(wanted.student), atol=1e-6)
    assert json.loads(ended.out)["cosine"] == pytest.approx(wanted.cosine, abs=1e-5)
    card = (order.out / "README.md").read_text()
    assert f"from step {step:,} on, where a killed run was resumed" in card


def done(state: Path) -> Any:
    return json.loads(state.read_text())["done"]


def undisturbed(order: DistillRequest, work: Path) -> Path:
    """A folder with the teacher's vectors alone, which are looked at first."""
    rows = np.load(order.work / "targets.npy", mmap_mode="r")
    examples = order.texts.read(lambda _: None)
    encoder = load_encoder(order.teacher)
    for index in (0, BLOCK - 1, BLOCK, EXAMPLES - 1):
        encode = (encoder.encode_documents, encoder.encode_queries)[examples[index].is_query]
        assert float(encode([examples[index].text])[0] @ rows[index].astype(np.float32)) > 0.99
    work.mkdir()
    for file in order.work.glob("targets.*"):
        shutil.copyfile(file, work / file.name)
    return work
