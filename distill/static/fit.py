"""Trains the rows: the mean of a text's rows is to point where the teacher's vector does."""

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cosine_similarity, embedding, embedding_bag

from leafsearch.distill.static.recipe import StaticRecipe
from leafsearch.distill.static.tokens import TokenLists
from leafsearch.distill.train.loop import TrainingStatus

_REPORT_SECONDS = 5.0
_TOGETHER = 4_096  # texts whose vectors are computed at once
_MEMORY = 0.98  # of the running means in reports


def fit(
    rows: NDArray[np.float32],
    lists: TokenLists,
    wanted: NDArray[np.float16],
    phases: Sequence[NDArray[np.int64]],
    recipe: StaticRecipe,
    on_step: Callable[[TrainingStatus], None],
) -> NDArray[np.float32]:
    """Each phase has the indices of the texts of its epochs; all have the same number of epochs."""
    torch.manual_seed(recipe.seed)
    table = torch.nn.Parameter(torch.from_numpy(rows.copy()))
    start = torch.from_numpy(rows)
    optimizer = torch.optim.SparseAdam([table], lr=recipe.peak)
    batches = list(_batches(lists, phases, recipe))
    clock, said, loss_, cosine_ = time.monotonic(), 0.0, 0.0, 0.0
    for step, some in enumerate(batches):
        optimizer.param_groups[0]["lr"] = recipe.peak * (1 - step / len(batches))
        found, ids = _means(table, lists, some, sparse=True)
        goal = torch.from_numpy(np.asarray(wanted[some], dtype=np.float32))
        cosine = cosine_similarity(found, goal).mean()
        loss = 1 - cosine
        if recipe.pull:
            moved = torch.unique(ids)
            away = embedding(moved, table, sparse=True) - start[moved]
            loss = loss + recipe.pull * away.square().sum(dim=1).mean()
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()  # type: ignore[no-untyped-call]
        loss_ = _MEMORY * loss_ + (1 - _MEMORY) * float(loss.detach())
        cosine_ = _MEMORY * cosine_ + (1 - _MEMORY) * float(cosine.detach())
        now, done = time.monotonic(), step + 1
        if now - said >= _REPORT_SECONDS or done == len(batches):
            said, weight = now, 1 - _MEMORY**done
            left = (now - clock) / done * (len(batches) - done)
            on_step(TrainingStatus(done, len(batches), loss_ / weight, cosine_ / weight, left))
    return table.detach().numpy()


def mean_cosine(
    rows: NDArray[np.float32],
    lists: TokenLists,
    wanted: NDArray[np.float16],
    texts: NDArray[np.int64],
) -> float:
    table, total = torch.from_numpy(rows), 0.0
    with torch.no_grad():
        for at in range(0, len(texts), _TOGETHER):
            some = texts[at : at + _TOGETHER]
            found, _ = _means(table, lists, some)
            goal = torch.from_numpy(np.asarray(wanted[some], dtype=np.float32))
            total += float(cosine_similarity(found, goal).sum())
    return total / max(1, len(texts))


def _means(
    table: torch.Tensor, lists: TokenLists, texts: NDArray[np.int64], *, sparse: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """The mean rows of the texts, and all their tokens."""
    ids, begins = (torch.from_numpy(one) for one in lists.take(texts))
    found: torch.Tensor = embedding_bag(ids, table, begins, mode="mean", sparse=sparse)
    return found, ids


def _batches(
    lists: TokenLists, phases: Sequence[NDArray[np.int64]], recipe: StaticRecipe
) -> Iterator[NDArray[np.int64]]:
    chance = np.random.default_rng(recipe.seed)
    for number in range(recipe.epochs):
        texts = phases[number * len(phases) // recipe.epochs]
        order = chance.permutation(texts[lists.lengths[texts] > 0])
        for at in range(0, len(order), recipe.rows):
            yield np.sort(order[at : at + recipe.rows])  # as they lie in the file of targets
