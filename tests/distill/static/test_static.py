"""`leaf-distill --static`: from a teacher and texts to a table that searches use."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer
from tokenizers.models import BPE

from leafsearch.distill.errors import DistillError
from leafsearch.distill.request import DistillRequest
from leafsearch.distill.run import distil
from leafsearch.distill.static.fit import fit
from leafsearch.distill.static.recipe import StaticRecipe
from leafsearch.distill.static.tokens import TokenLists, first_rows, token_texts
from leafsearch.distill.static.vocabulary import grow
from leafsearch.vectors import load_encoder, load_student
from leafsearch.vectors.encoders import PROBES, TransformerEncoder, measure_alignment, unit_rows
from leaftests.distill.making import Heard, commanded, ordered
from leaftests.static import wordpieces

RECIPE = StaticRecipe(epochs=6, rows=128, peak=0.05)


@pytest.fixture(scope="session")
def made(
    teacher: str, texts: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any], str]:
    """The folder, what the command printed as JSON, and what it said meanwhile."""
    folder = tmp_path_factory.mktemp("static") / "fast"
    ended = commanded(
        *("--static", "--teacher", teacher, "--texts", texts, "--out", folder, "--json"),
        *("--examples", 4_000, "--epochs", 10, "--batch", 128, "--learning-rate", 0.05),
        *("--vocabulary", 1_800),
    )
    assert ended.code == 0, ended.err
    return folder, json.loads(ended.out), ended.err


def asked(folder: Path, teacher: str, texts: Path, **recipe: Any) -> DistillRequest:
    order = ordered(folder, teacher, texts, examples=2_000)
    return replace(order, static=replace(RECIPE, **recipe))


def rows_of(order: DistillRequest) -> Any:
    student: Any = distil(order, Heard().listener()).student
    return student.rows


def test_the_table_comes_near_its_teacher_on_texts_that_were_held_out(
    made: tuple[Path, dict[str, Any], str],
) -> None:
    _, told, _ = made

    assert told["held_out"] > 20
    assert told["cosine"] > told["cosine_before"] + 0.1
    assert told["cosine"] > 0.6


def test_searches_and_sentence_transformers_load_the_same_table(
    made: tuple[Path, dict[str, Any], str], teacher: str
) -> None:
    folder, _, _ = made

    student = load_student(str(folder))

    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    theirs = unit_rows(model.encode(list(PROBES), show_progress_bar=False))
    assert np.sum(student.encode_queries(PROBES) * theirs, axis=1).min() > 0.9999
    assert (student.dimensions, student.query_prompt) == (64, "")
    assert measure_alignment(load_encoder(teacher), student).is_enough


def test_words_of_the_texts_become_entries(
    made: tuple[Path, dict[str, Any], str], teacher: str
) -> None:
    folder, _, said = made

    before = load_encoder(teacher).tokenizer.get_vocab_size()
    tokenizer = load_student(str(folder)).tokenizer

    assert before < tokenizer.get_vocab_size() <= 1_800
    assert f"the vocabulary has {tokenizer.get_vocab_size():,} entries" in said


def test_the_card_says_how_it_was_made(made: tuple[Path, dict[str, Any], str]) -> None:
    card = (made[0] / "README.md").read_text()

    assert "It is a table; each row began as the teacher's vector of its token." in card
    assert "1,800 entries wanted in the vocabulary" in card
    assert "not of unit length" not in card
    assert not (made[0] / "onnx").exists()


@pytest.mark.long
def test_one_seed_gives_one_student(teacher: str, texts: Path, tmp_path: Path) -> None:
    first = rows_of(asked(tmp_path / "a", teacher, texts))

    assert np.allclose(first, rows_of(asked(tmp_path / "b", teacher, texts)), atol=1e-4)
    assert not np.allclose(first, rows_of(asked(tmp_path / "c", teacher, texts, seed=2)), atol=1e-2)


@pytest.mark.long
def test_the_teachers_vectors_are_kept_for_another_try(
    teacher: str, texts: Path, tmp_path: Path
) -> None:
    """What a kill costs is the training, which is short."""
    order = asked(tmp_path, teacher, texts)
    distil(order, Heard().listener())
    heard = Heard()

    distil(order, heard.listener())

    assert {done for done, _ in heard.encoded} == {2_000}
    with pytest.raises(DistillError, match="holds a run with other settings"):
        distil(asked(tmp_path, teacher, texts, epochs=7), heard.listener())


def test_rows_that_no_text_needs_stay_and_a_pull_holds_the_others() -> None:
    chance = np.random.default_rng(1)
    rows = chance.standard_normal((6, 8)).astype(np.float32)
    lists = TokenLists(np.array([0, 1, 2, 1, 3, 0]), np.array([0, 2, 4, 6]))
    wanted = chance.standard_normal((3, 8)).astype(np.float16)
    texts = np.arange(3)

    def fitted(pull: float) -> Any:
        recipe = StaticRecipe(epochs=50, rows=3, peak=0.05, pull=pull)
        return fit(rows, lists, wanted, [texts], recipe, lambda _: None)

    free, held = fitted(0), fitted(10)
    assert np.array_equal(free[4:], rows[4:])
    assert np.linalg.norm(held - rows) < 0.2 * np.linalg.norm(free - rows)


def test_first_rows_are_the_teachers_vectors_less_their_mean(teacher: str) -> None:
    encoder = load_encoder(teacher, precision="float32")
    assert isinstance(encoder, TransformerEncoder)
    tokenizer = encoder.tokenizer
    lists = TokenLists.of(tokenizer, ["the the the rare"], 128)

    rows = first_rows(encoder, tokenizer, lists)

    texts = token_texts(tokenizer)
    known = [id for id, text in enumerate(texts) if text]
    wanted = encoder.encode_documents([texts[id] for id in known])
    wanted -= wanted.mean(axis=0)
    assert not rows[[tokenizer.token_to_id(t) for t in ("[PAD]", "[UNK]", "[CLS]")]].any()
    unseen = next(n for n, id in enumerate(known) if id not in lists.ids)
    assert np.allclose(rows[known[unseen]], wanted[unseen], atol=1e-5)
    seen = np.linalg.norm(rows[lists.ids[0]])
    assert seen < 0.01 * np.linalg.norm(wanted, axis=1).mean()


def test_an_entry_of_the_vocabulary_is_one_token() -> None:
    tokenizer = wordpieces()
    texts = ["Photosynthesising is fun"] * 4 + ["rarely seen"] * 3

    grown = grow(tokenizer, texts, 10_000)

    added = set(grown.get_vocab()) - set(tokenizer.get_vocab())
    assert "photosynthesising" in added
    assert "rarely" not in added
    assert grown.encode("photosynthesising", add_special_tokens=False).tokens == [
        "photosynthesising"
    ]
    assert grown.encode("what is", add_special_tokens=False).ids == (
        tokenizer.encode("what is", add_special_tokens=False).ids
    )


def test_another_kind_of_tokenizer_does_not_grow() -> None:
    with pytest.raises(DistillError, match="tokenizer is BPE; expected WordPiece"):
        grow(Tokenizer(BPE()), ["text"], 100)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--static", "--layers", "0"], "--layers: does not go with --static"),
        (["--static", "--bits", "1"], "--bits: does not go with --static"),
        (["--vocabulary", "9"], "--vocabulary: goes with --static only"),
        (["--pull", "0.1"], "--pull: goes with --static only"),
        (["--static", "--vocabulary", "100001"], "--vocabulary: expected at most 100,000"),
        (["--static", "--pull", "-1"], "--pull: expected 0 or more, not -1"),
        (["--static", "--devices", "cpu,cpu"], "--devices: expected one device"),
    ],
)
def test_wrong_options_are_named(options: list[str], reason: str, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("some text")

    ended = commanded(
        *("--teacher", "x", "--texts", tmp_path / "texts.txt", "--out", tmp_path / "o", *options)
    )

    assert ended.code == 2
    assert reason in ended.err


def test_too_few_texts_are_refused(teacher: str, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("some text. " * 20)

    ended = commanded(
        *("--static", "--teacher", teacher, "--texts", tmp_path / "texts.txt"),
        *("--out", tmp_path / "out"),
    )

    assert ended.code == 1
    assert "are too few to learn from" in ended.err
