"""Trains in one process, or in one for each device; these average their gradients."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from torch.multiprocessing.spawn import ProcessException, spawn

from leafsearch.distill.errors import DistillError
from leafsearch.distill.train.loop import CHECKPOINT, Training, TrainingStatus
from leafsearch.distill.train.recipe import Recipe
from leafsearch.vectors.encoders import Tokens, cores

_MEETING, _TOKENS, _STUDENT, _RECIPE = "ranks", "tokens.npz", "untrained", "recipe.json"


def train(
    student: SentenceTransformer,
    tokens: Sequence[Tokens],
    wanted: NDArray[np.float16],
    recipe: Recipe,
    folder: Path,
    devices: Sequence[str],
    on_step: Callable[[TrainingStatus], None],
    checkpoint_seconds: float,
) -> None:
    """Another process calls `on_step` if there are several devices."""
    if len(devices) < 2:
        Training(student, tokens, wanted, recipe, folder, on_step, checkpoint_seconds).run()
        return
    _hand_over(student, tokens, wanted, recipe, folder)
    try:
        spawn(  # type: ignore[no-untyped-call]
            _rank, args=(folder, tuple(devices), on_step, checkpoint_seconds), nprocs=len(devices)
        )
    except (ProcessException, RuntimeError) as error:
        raise DistillError(
            f"a training process died: {_last_line(error)}; run the same command again to resume "
            "from the last checkpoint"
        ) from error
    kept = torch.load(folder / CHECKPOINT, map_location=student.device, weights_only=True)
    student.load_state_dict(kept["student"])


def _hand_over(
    student: SentenceTransformer,
    tokens: Sequence[Tokens],
    wanted: NDArray[np.float16],
    recipe: Recipe,
    folder: Path,
) -> None:
    student.save(str(folder / _STUDENT), create_model_card=False)
    ends = np.cumsum([len(one) for one in tokens])
    np.savez(folder / _TOKENS, ids=np.concatenate(tokens), ends=ends, wanted=wanted)
    (folder / _RECIPE).write_text(json.dumps(asdict(recipe)))
    (folder / _MEETING).unlink(missing_ok=True)


def _rank(
    rank: int,
    folder: Path,
    devices: Sequence[str],
    on_step: Callable[[TrainingStatus], None],
    checkpoint_seconds: float,
) -> None:
    device = torch.device(devices[rank])
    if device.type == "cpu":
        torch.set_num_threads(max(1, cores() // len(devices)))
    torch.distributed.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        init_method=f"file://{(folder / _MEETING).absolute()}",
        rank=rank,
        world_size=len(devices),
    )
    try:
        student = SentenceTransformer(
            str(folder / _STUDENT), device=str(device), local_files_only=True
        )
        with np.load(folder / _TOKENS) as kept:
            tokens = np.split(kept["ids"], kept["ends"][:-1])
            wanted = kept["wanted"]
        recipe = Recipe(**_tuples(json.loads((folder / _RECIPE).read_text())))
        Training(
            student,
            tokens,
            wanted,
            recipe,
            folder,
            on_step,
            checkpoint_seconds,
            rank,
            len(devices),
            _average,
        ).run()
    finally:
        torch.distributed.destroy_process_group()


def _average(trained: Sequence[torch.nn.Parameter]) -> None:
    """Average all gradients in one message."""
    gradients = [one.grad for one in trained if one.grad is not None]
    whole = torch.cat([gradient.flatten() for gradient in gradients])
    torch.distributed.all_reduce(whole)
    whole /= torch.distributed.get_world_size()
    start = 0
    for gradient in gradients:
        end = start + gradient.numel()
        gradient.copy_(whole[start:end].view_as(gradient))
        start = end


def _tuples(recipe: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(v) if isinstance(v, list) else v for name, v in recipe.items()}


def _last_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1]
