"""The trained student depends on texts, seed and recipe alone."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from leafsearch.distill.data.examples import hold_out
from leafsearch.distill.data.targets import compute_targets
from leafsearch.distill.request import DistillRequest
from leafsearch.distill.run import distil, load_teacher
from leafsearch.vectors import load_encoder
from leafsearch.vectors.encoders import TransformerEncoder
from leaftests.distill.making import Heard, built, distilled, ordered, saved, weights


def quick(folder: Path, teacher: str, texts: Path, **recipe: Any) -> DistillRequest:
    return ordered(folder, teacher, texts, examples=400, **{"epochs": 1, "rows": 32, **recipe})


def again(order: DistillRequest, work: Path, **changes: Any) -> DistillRequest:
    """Train with given teacher's vectors, without computing them."""
    work.mkdir()
    for file in order.work.glob("targets.*"):
        shutil.copyfile(file, work / file.name)
    return replace(order, work=work, **changes)


@pytest.mark.long
def test_the_seed_decides_the_whole_training(teacher: str, texts: Path, tmp_path: Path) -> None:
    order = quick(tmp_path / "first", teacher, texts)

    first = weights(distilled(order).student)
    second = weights(distilled(again(order, tmp_path / "second")).student)
    seeded = again(order, tmp_path / "other", recipe=replace(order.recipe, seed=2))
    other = weights(distilled(seeded).student)

    assert torch.allclose(first, second, atol=1e-6)
    assert not torch.allclose(first, other, atol=1e-4)


@pytest.mark.long
def test_the_loss_falls_and_token_embeddings_stay(
    teacher: str, texts: Path, tmp_path: Path
) -> None:
    heard = Heard()

    done = distil(
        ordered(tmp_path, teacher, texts, examples=800, epochs=8, peak=3e-3), heard.listener()
    )

    states, encoder = heard.states, done.teacher
    assert [state.step for state in states] == sorted(state.step for state in states)
    assert (states[0].step, states[-1].step) == (1, states[-1].steps)
    assert states[-1].loss < states[0].loss
    assert states[-1].cosine > states[0].cosine
    assert states[-1].seconds_left == 0
    assert heard.encoded[-1] == (800, 800)
    mine, theirs = (
        one[0].auto_model.get_input_embeddings().weight for one in (done.student, encoder.model)
    )
    assert torch.equal(mine, theirs)


@pytest.mark.long
def test_a_small_model_of_another_width_becomes_a_student(
    teacher: str, texts: Path, tmp_path: Path
) -> None:
    small = saved(
        built(tmp_path / "bert", width=32, layers=1, seed=2, positions=24), tmp_path / "small"
    )
    order = ordered(
        tmp_path, teacher, texts, student=small, epochs=3, peak=2e-2, trains_embeddings=True
    )

    done = distilled(order)

    assert done.cosine > done.cosine_before
    assert done.layers == ()
    assert done.student.get_embedding_dimension() == 64
    assert done.student.max_seq_length == 24
    before = load_teacher(small, ()).model[0].auto_model.get_input_embeddings().weight
    assert not torch.equal(done.student[0].auto_model.get_input_embeddings().weight, before)


@pytest.mark.long
def test_truncations_and_signs_count_on_request(teacher: str, texts: Path, tmp_path: Path) -> None:
    order = quick(tmp_path / "plain", teacher, texts)

    plain = first_loss(order)
    recipe = replace(order.recipe, truncated=(32, 16), bits=0.5)
    asked = first_loss(again(order, tmp_path / "asked", recipe=recipe))

    assert asked > 1.5 * plain


def first_loss(order: DistillRequest) -> float:
    heard = Heard()
    distil(order, heard.listener())
    return heard.states[0].loss


@pytest.mark.long
def test_two_devices_learn_the_same_as_one(teacher: str, texts: Path, tmp_path: Path) -> None:
    """Also where what is left of an epoch is a single text, which two cannot share.

    In half precision the sum of two halves is not quite the whole, so weights are compared with
    what other batches make of them.
    """
    order = quick(tmp_path / "one", teacher, texts)
    examples = order.texts.read(lambda _: None)
    count = next(n for n in range(300, 400) if len(hold_out(examples[:n])[0]) % 32 == 1)
    order = replace(order, texts=replace(order.texts, most=count))

    alone = distilled(order)
    together = distilled(again(order, tmp_path / "two", devices=("cpu", "cpu")))
    seeded = again(order, tmp_path / "other", recipe=replace(order.recipe, seed=2))
    other = distilled(seeded)

    assert together.cosine == pytest.approx(alone.cosine, abs=0.005)
    near, far = (
        torch.dist(weights(one.student), weights(alone.student)) for one in (together, other)
    )
    assert near < 0.25 * far


@pytest.mark.parametrize("counts_prompt", [True, False])
def test_a_teacher_is_asked_with_the_prompt_of_each_kind(
    counts_prompt: bool, teacher: str, texts: Path, tmp_path: Path
) -> None:
    encoder = load_encoder(teacher)
    assert isinstance(encoder, TransformerEncoder)
    encoder.model[1].include_prompt = counts_prompt
    examples = ordered(tmp_path, teacher, texts, examples=60).texts.read(lambda _: None)

    found = np.asarray(compute_targets(encoder, examples, tmp_path, lambda *_: None), np.float32)

    queries = [example.is_query for example in examples]
    for encode, some in (
        (encoder.encode_queries, np.flatnonzero(queries)),
        (encoder.encode_documents, np.flatnonzero(np.logical_not(queries))),
    ):
        wanted = encode([examples[i].text for i in some])
        assert np.sum(found[some] * wanted, axis=1).min() > 0.999
