"""Distils a student: texts, the teacher's vectors, training, and the published folder."""

import re
import shlex
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from leafsearch.config import Settings
from leafsearch.config.command import settings
from leafsearch.distill.data.examples import Example, hold_out
from leafsearch.distill.data.targets import compute_targets
from leafsearch.distill.data.tokenised import Inputs, compute
from leafsearch.distill.errors import DistillError
from leafsearch.distill.progress import Progress, say
from leafsearch.distill.publish.card import Facts, write_card
from leafsearch.distill.publish.measure import alignment, forget, latency, quality
from leafsearch.distill.publish.publish import README, publish, require_publishable
from leafsearch.distill.publish.report import report
from leafsearch.distill.request import Distilled, DistillRequest, Listener
from leafsearch.distill.static.distil import distil_static
from leafsearch.distill.train.distributed import train
from leafsearch.distill.train.forward import PackedForward
from leafsearch.distill.train.loop import read_step
from leafsearch.distill.train.student import cut, fit_head, layer_count, spread, wrap
from leafsearch.distill.train.work_dir import lock, remember, remove, require_same
from leafsearch.evaluation import read_collection
from leafsearch.vectors import connect, load_encoder
from leafsearch.vectors.encoders import Tokens, TransformerEncoder, is_remote

_DEVICE = re.compile(r"cpu|cuda(:\d+)?")
_FITTED = 8_000  # texts that the head is fitted to before the training


@dataclass(frozen=True)
class TrainingSet:
    """`kept` are indices of the texts to train on, `out` of the held-out ones."""

    tokens: Sequence[Tokens]
    wanted: NDArray[np.float16]
    kept: Sequence[int]
    out: Sequence[int]

    def of(self, some: Sequence[int]) -> tuple[list[Tokens], NDArray[np.float16]]:
        return [self.tokens[i] for i in some], self.wanted[list(some)]


def distil_and_publish(
    order: DistillRequest, home: Path | None, as_json: bool, command: Sequence[str]
) -> None:
    started = time.monotonic()
    progress = Progress()
    listener = Listener(say, progress.show_encoded, progress.show_step, progress.show_rejected)
    tests = [read_collection(path) for path in order.evaluated]  # fails before the work
    pair = {"teacher": order.teacher, "student": str(order.out)}
    chosen = settings(home=home, **pair) if tests else Settings()
    if tests and chosen.uri:
        connect(chosen.uri).close()  # fails before the work; a local one starts when needed
    done = distil(order, listener)
    seconds = time.monotonic() - started
    with publish(done.student, order.out) as folder:
        try:
            facts = Facts(
                distilled=done,
                alignment=alignment(done.teacher, str(folder)),
                latency=latency(done.teacher, str(folder)),
                quality=[row for test in tests for row in quality(order, test, folder, chosen)],
                seconds=seconds,
                command=shlex.join(command),
                versions=", ".join(f"{p} {version(p)}" for p in ("torch", "sentence-transformers")),
            )
        finally:
            forget(folder)
        (folder / README).write_text(write_card(order, facts), encoding="utf-8")
    if not order.keeps_work:
        remove(order.work)
    report(order, facts, as_json)


def distil(order: DistillRequest, listener: Listener) -> Distilled:
    """Raises DistillError, ModelError and SourceError."""
    require_same(order)
    require_devices(order.devices)
    teacher = load_teacher(order.teacher, order.devices)
    if order.static:
        with lock(order.work):
            remember(order)
            return distil_static(order, order.static, teacher, listener)
    layers = _layers(order, teacher)
    student = build_student(order, layers, teacher)
    # Remember only a request that can work, so that a corrected command can use the folder.
    with lock(order.work):
        require_publishable(student, order.work)
        remember(order)
        return _distilled(order, listener, teacher, student, layers)


def _distilled(
    order: DistillRequest,
    listener: Listener,
    teacher: TransformerEncoder,
    student: SentenceTransformer,
    layers: Sequence[int],
) -> Distilled:
    examples = order.texts.read(listener.on_rejected)
    listener.on_status(f"{len(examples):,} texts to learn from")
    material = _material(student, teacher, examples, order, listener)
    before = _fit(student, material)
    tokens, rows = material.of(material.kept)
    resumed = read_step(order.work)
    if resumed:
        listener.on_status(f"training resumes after step {resumed:,}")
    train(
        student,
        tokens,
        rows,
        order.recipe,
        order.work,
        devices(order),
        listener.on_step,
        order.checkpoint_seconds,
    )
    after = _cosine(student, material)
    counts = len(examples), len(material.out)
    return Distilled(student, teacher, layers, *counts, after, before, resumed)


def devices(order: DistillRequest) -> Sequence[str]:
    """All GPUs by default; else one process on the CPU, where torch uses all cores itself."""
    return order.devices or [f"cuda:{n}" for n in range(torch.cuda.device_count())] or ["cpu"]


def require_devices(names: Sequence[str]) -> None:
    """Raises DistillError unless this machine has them."""
    if wrong := [name for name in names if not _DEVICE.fullmatch(name)]:
        raise DistillError(f"--devices {wrong[0]}: expected cpu, cuda:0 or the like")
    gpus = [name for name in names if name != "cpu"]
    if gpus and len(set(gpus)) < len(names):
        raise DistillError(f"--devices {','.join(names)}: expected CPUs, or each GPU once")
    count = torch.cuda.device_count()
    if missing := [name for name in gpus if int(name.partition(":")[2] or 0) >= count]:
        raise DistillError(f"--devices {missing[0]}: this machine has {count} GPUs")


def load_teacher(name: str, devices: Sequence[str]) -> TransformerEncoder:
    teacher = None if is_remote(name) else load_encoder(name, devices=devices or None)
    if not isinstance(teacher, TransformerEncoder):
        raise DistillError(
            f"teacher {name}: expected a model that sentence-transformers loads, from a hub, a "
            "folder or a package"
        )
    return teacher


def build_student(
    order: DistillRequest, layers: Sequence[int], teacher: TransformerEncoder
) -> SentenceTransformer:
    """Raises DistillError if there is no such student, or the request does not fit the teacher."""
    if (most := max(order.recipe.truncated, default=0)) > teacher.dimensions:
        raise DistillError(
            f"truncated to {most} dimensions: teacher {teacher.name} gives {teacher.dimensions}"
        )
    torch.manual_seed(order.recipe.seed)
    return wrap(order.student, teacher) if order.student else cut(teacher, layers)


def _layers(order: DistillRequest, teacher: TransformerEncoder) -> Sequence[int]:
    if order.student:
        return ()
    count = layer_count(teacher)
    return order.layers or spread(max(1, count // 2), count)


def _material(
    student: SentenceTransformer,
    teacher: TransformerEncoder,
    examples: Sequence[Example],
    order: DistillRequest,
    listener: Listener,
) -> TrainingSet:
    inputs = Inputs(student, teacher, order.recipe.most_tokens)
    examples, shortened = inputs.fit(examples)
    if shortened:
        listener.on_status(f"{shortened:,} texts are truncated to {inputs.most} tokens")
    kept, out = hold_out(examples)
    if len(kept) < order.recipe.rows or not out:
        raise DistillError(
            f"{len(examples)} texts are too few to learn from; expected a few hundred or more"
        )
    with closing(teacher):  # ends its worker processes; the model of this one stays
        wanted = compute_targets(teacher, examples, order.work, listener.on_encoded)
    return TrainingSet(inputs.tokens(examples), wanted, kept, out)


def _fit(student: SentenceTransformer, material: TrainingSet) -> float:
    """Fit the head; return the cosine before training."""
    tokens, rows = material.of(material.kept[:_FITTED])
    forward = _forward(student, tokens)
    fit_head(student, compute(forward, tokens, pooled=True), rows)
    forward.restore()
    return _cosine(student, material)


def _cosine(student: SentenceTransformer, material: TrainingSet) -> float:
    tokens, wanted = material.of(material.out)
    forward = _forward(student, tokens)
    found = torch.from_numpy(compute(forward, tokens))
    forward.restore()
    expected = torch.from_numpy(wanted.astype(np.float32))
    return float(torch.nn.functional.cosine_similarity(found, expected).mean())


def _forward(student: SentenceTransformer, tokens: Sequence[Tokens]) -> PackedForward:
    return PackedForward(student.eval(), sorted(tokens[:8], key=len, reverse=True))
