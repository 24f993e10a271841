"""What a student learns depends on texts, seed and recipe, and on nothing else."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from distill.examples import held_out
from distill.order import Order
from distill.run import distil, load_teacher
from distill.targets import targets
from tests.distill.making import Heard, built, distilled, ordered, saved, weights
from vectors import load_encoder
from vectors.transformer import TransformerEncoder


def quick(folder: Path, pair: tuple[str, str], texts: Path, **recipe: Any) -> Order:
    return ordered(folder, pair[0], texts, examples=300, **{"epochs": 1, **recipe})


def test_a_seed_decides_all_of_the_training(
    published_pair: tuple[str, str], texts: Path, tmp_path: Path
) -> None:
    first, again, other = (
        weights(distilled(quick(tmp_path / name, published_pair, texts, seed=seed)).student)
        for name, seed in (("first", 1), ("again", 1), ("other", 2))
    )

    assert torch.allclose(first, again, atol=1e-6)
    assert not torch.allclose(first, other, atol=1e-5)


def test_the_loss_falls_and_token_embeddings_stay(
    teacher: str, texts: Path, tmp_path: Path
) -> None:
    heard = Heard()

    done = distil(ordered(tmp_path, teacher, texts, examples=800), heard.listener())

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


def test_truncations_and_signs_count_where_they_are_asked_for(
    published_pair: tuple[str, str], texts: Path, tmp_path: Path
) -> None:
    first = []
    for name, more in (("plain", {}), ("asked", {"truncated": (32, 16), "bits": 0.5})):
        heard = Heard()
        distil(quick(tmp_path / name, published_pair, texts, **more), heard.listener())
        first.append(heard.states[0].loss)

    plain, asked = first
    assert asked > 1.5 * plain


def test_two_devices_learn_what_one_does(
    published_pair: tuple[str, str], texts: Path, tmp_path: Path
) -> None:
    """Also where what is left of an epoch is a single text, which two cannot share."""
    one = quick(tmp_path / "one", published_pair, texts, rows=32)
    examples = replace(one.texts, most=400).read(lambda _: None)
    count = next(n for n in range(300, 400) if len(held_out(examples[:n])[0]) % 32 == 1)
    one = replace(one, texts=replace(one.texts, most=count))
    two = replace(one, work=tmp_path / "two", devices=("cpu", "cpu"))

    alone = distilled(one)
    two.work.mkdir()
    for file in one.work.glob("targets.*"):  # for which there would be two more processes
        shutil.copyfile(file, two.work / file.name)
    together = distilled(two)

    assert together.cosine == pytest.approx(alone.cosine, abs=1e-3)
    assert torch.allclose(weights(together.student), weights(alone.student), atol=1e-3)


@pytest.mark.parametrize("counts_prompt", [True, False])
def test_a_teacher_is_asked_with_the_prompt_of_each_kind(
    counts_prompt: bool, teacher: str, texts: Path, tmp_path: Path
) -> None:
    encoder = load_encoder(teacher)
    assert isinstance(encoder, TransformerEncoder)
    encoder.model[1].include_prompt = counts_prompt
    examples = ordered(tmp_path, teacher, texts, examples=60).texts.read(lambda _: None)

    found = np.asarray(targets(encoder, examples, tmp_path, lambda *_: None), np.float32)

    queries = [example.is_query for example in examples]
    for encode, some in (
        (encoder.encode_queries, np.flatnonzero(queries)),
        (encoder.encode_documents, np.flatnonzero(np.logical_not(queries))),
    ):
        wanted = encode([examples[i].text for i in some])
        assert np.sum(found[some] * wanted, axis=1).min() > 0.999
