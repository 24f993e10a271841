"""Which form keeps the most, measured on a sample."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from leafsearch.vectors import CodecError
from leafsearch.vectors.encoders import unit_rows
from leafsearch.vectors.forms import (
    Form,
    Sample,
    choose_form,
    choose_form_by_bytes,
    compare_forms,
    sample_queries,
)

CUT = Form(16, "float32")


def spread(count: int, dimensions: int, seed: int = 0, *, rank: int = 24) -> Any:
    """Unit rows near a subspace that stands askew to the dimensions, as embeddings do."""
    random = np.random.default_rng(seed)
    basis = np.random.default_rng(99).normal(size=(rank, dimensions))
    strength = 1.5 ** -np.arange(rank)[:, None]
    rows = random.normal(size=(count, rank)) @ (basis * strength)
    return unit_rows((rows + 0.01 * random.normal(size=rows.shape)).astype(np.float32))


def matryoshka(count: int) -> Any:
    """Unit rows whose first dimensions already hold most of each, as trained for truncation."""
    falling = 1.3 ** -np.arange(64)
    return unit_rows(
        (np.random.default_rng(5).normal(size=(count, 64)) * falling).astype(np.float32)
    )


def asked(rows: Any) -> Sample:
    """With queries near some documents, as a student's queries from their words are."""
    own = np.arange(0, len(rows), 4)
    noise = np.random.default_rng(7).normal(size=(len(own), rows.shape[1]))
    return Sample(rows, unit_rows((rows[own] + 0.05 * noise).astype(np.float32)), own)


def test_auto_leaves_a_teacher_alone_that_was_trained_for_truncation() -> None:
    for sample in (Sample.of_documents(matryoshka(800)), asked(matryoshka(800))):
        choice = choose_form(sample, Form(24, "float32"), "auto")

        assert choice.transform is None
        assert choice.plain is not None
        assert choice.plain.neighbours > 0.9
        assert choice.plain.quality > 0.98
        assert choice.reason.startswith("transform none: 24 of 64 dimensions keep")


def test_auto_rotates_what_truncation_would_spoil_and_says_why() -> None:
    for sample in (Sample.of_documents(spread(800, 64)), asked(spread(800, 64))):
        choice = choose_form(sample, CUT, "auto")
        plain, rotated = choice.plain, choice.rotated

        assert plain is not None
        assert rotated is not None
        assert rotated.neighbours > plain.neighbours + 0.1
        assert rotated.quality > plain.quality
        assert choice.transform is not None
        assert choice.reason == (
            f"transform pca: 16 of 64 dimensions keep {rotated.neighbours:.1%} of the 10 nearest "
            f"neighbours with it and {plain.neighbours:.1%} without (800 chunks)"
        )


def test_few_vectors_decide_nothing_but_an_order_is_followed() -> None:
    few = Sample.of_documents(spread(100, 64))

    assert choose_form(few, CUT, "auto").transform is None
    assert "100 different chunks are too few to measure it" in choose_form(few, CUT, "auto").reason
    assert choose_form(few, CUT, "pca").transform is not None
    assert choose_form(few, Form(64, "float32"), "pca").transform is None


def test_whole_vectors_keep_everything_and_smaller_forms_less() -> None:
    sample = asked(spread(800, 64, rank=64))
    whole = sample.estimate(Form(64, "float32"))
    cut, bits = sample.estimate(Form(32, "float32")), sample.estimate(Form(64, "binary"))
    beside = sample.estimate(Form(64, "binary", "int8"))

    assert (whole.neighbours, whole.quality) == (1, 1)
    assert cut.quality < 0.99
    assert cut.neighbours < whole.neighbours
    assert bits.quality < beside.quality
    assert beside.quality > 0.97


@pytest.mark.parametrize(
    ("most", "expected"),
    [(10, 10), (20, 18), (66, 66), (200, 66), (4000, 66)],
)
def test_a_budget_is_kept_and_nothing_is_spent_without_gain(most: int, expected: int) -> None:
    """int8 keeps what 64 floats keep, and needs 66 bytes."""
    choice = choose_form_by_bytes(asked(spread(800, 64)), most, "auto")

    assert choice.form.bytes <= min(most, expected)
    assert f"({choice.form.bytes:,} bytes a chunk) keeps an estimated" in choice.reason
    assert (choice.transform is not None) == choice.form.is_rotated


def test_more_bytes_never_keep_less() -> None:
    sample = asked(spread(800, 64, rank=64))
    kept = [
        sample.estimate(choose_form_by_bytes(sample, most, "auto").form).quality
        for most in (10, 18, 34, 66, 130, 258)
    ]

    assert all(b >= a - 0.02 for a, b in pairwise(kept))
    assert kept[-1] > kept[0]


def test_a_budget_for_few_vectors_takes_the_usual_form() -> None:
    choice = choose_form_by_bytes(Sample.of_documents(spread(50, 64)), 40, "auto")

    assert str(choice.form) == "32 x int8"
    assert "50 different chunks are too few to" in choice.reason


def test_the_comparison_holds_only_what_is_worth_its_bytes_and_the_requested_form() -> None:
    sample = asked(spread(800, 64, rank=64))
    also = Form(64, "float32")
    found = compare_forms(sample, "auto", also=also)
    others = [e for e in found if e.form != also]

    assert also in [e.form for e in found]
    assert [e.form.bytes for e in found] == sorted(e.form.bytes for e in found)
    assert all(a.quality < b.quality for a, b in pairwise(others))


def test_queries_are_words_of_the_texts_and_always_the_same() -> None:
    texts = [
        f"the oak number {n} stands at the very end of a long and quiet lane" for n in range(9)
    ]
    texts[4] = "  "
    texts.append("鯨は海に住む大きな動物であり、魚ではなく哺乳類である。")
    queries, own = sample_queries(texts)

    assert own.tolist() == [0, 8]
    assert all(q in texts[n] for q, n in zip(queries, own, strict=True))
    assert all(4 <= len(q.split()) <= 12 for q in queries)
    assert sample_queries(texts)[0] == queries
    (whole,), _ = sample_queries([texts[9]])
    assert whole in texts[9]
    assert 1 <= len(whole) <= 20


def test_copies_tell_nothing_however_many_there_are() -> None:
    few = spread(5, 64)[np.arange(2000) % 5]
    rotated = choose_form(Sample.of_documents(few), CUT, "auto")
    within = choose_form_by_bytes(Sample.of_documents(few), 34, "auto")

    assert rotated.transform is None
    assert "5 different chunks are too few to measure it" in rotated.reason
    assert "--rebuild --transform auto measures it once there are more" in rotated.reason
    assert str(within.form) == "32 x int8"
    assert compare_forms(Sample.of_documents(few), "auto") == []


def test_a_passage_as_near_as_the_tenth_is_no_loss() -> None:
    """Copies take turns at the tenth place; that is nothing that a form loses."""
    rows = spread(300, 64)[np.arange(2400) % 300]

    assert asked(rows).estimate(Form(64, "float32")).neighbours == 1
    assert Sample.of_documents(rows).estimate(Form(64, "int8")).neighbours > 0.98


@pytest.mark.parametrize("whole", [1, 4, 7])
def test_models_with_less_than_a_byte_of_dimensions_have_a_form_too(whole: int) -> None:
    rows = unit_rows(np.random.default_rng(1).normal(size=(600, whole)).astype(np.float32))

    choice = choose_form_by_bytes(Sample.of_documents(rows), 100, "auto")

    assert choice.form.dimensions == whole
    assert choice.form.bytes <= 100


def test_rows_that_are_no_numbers_measure_nothing() -> None:
    rows = spread(300, 64)
    rows[7, 3] = np.nan

    with pytest.raises(CodecError, match="NaN or infinity"):
        Sample.of_documents(rows)
