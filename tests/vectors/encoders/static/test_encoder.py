"""Static students give the vectors of the libraries that saved them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize
from tokenizers import Tokenizer
from tokenizers.models import Unigram, WordLevel
from tokenizers.pre_tokenizers import Whitespace

from leafsearch.vectors import load_encoder, load_student, load_tokenizer
from leafsearch.vectors.encoders import PROBES, Words, encode_probe, require_probe, unit_rows
from leafsearch.vectors.encoders.static.folder import write_static_model
from leaftests.paths import ROOT
from leaftests.static import model2vec_model, random_rows, static_model, wordpieces

TEXTS = [
    *PROBES,
    "x",
    " ".join(PROBES),
    "how do vaccines protect children against the most common diseases",
]


def as_published(folder: str, texts: list[str] = TEXTS) -> Any:
    model = SentenceTransformer(folder, device="cpu", local_files_only=True)
    return unit_rows(model.encode(texts, show_progress_bar=False).astype(np.float32))


def least_cosine(found: Any, wanted: Any) -> float:
    return float(np.sum(found * wanted, axis=1).min())


def shape_of_nife(folder: Path, dtype: str = "float32") -> str:
    """Its tokenizer is BERT's, with whole words in its vocabulary; mean of rows; no prompt."""
    words = sorted({word for text in TEXTS for word in text.lower().split() if word.isalpha()})
    letters = [chr(n) for n in range(97, 123)]
    pieces = [*letters, *(f"##{letter}" for letter in letters), *words, ".", "?", ":", "'", ","]
    tokenizer = wordpieces([*pieces, *(f"word{n}" for n in range(1_800))])
    rows = random_rows(tokenizer.get_vocab_size(), 1024)
    return static_model(folder, tokenizer, rows.astype(dtype))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_model_of_sentence_transformers_gives_its_vectors(tmp_path: Path, dtype: str) -> None:
    folder = shape_of_nife(tmp_path / "model", dtype)

    student = load_student(folder)

    together = student.encode_queries(TEXTS)
    alone = np.vstack([student.encode_queries([text]) for text in TEXTS])
    assert (student.dimensions, student.query_prompt) == (1024, "")
    assert least_cosine(together, as_published(folder)) > 0.9999
    assert np.array_equal(together, alone)
    assert np.array_equal(student.encode_documents(TEXTS), together)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    assert student.encode_queries([]).shape == (0, 1024)


def test_rows_in_bfloat16_are_read(tmp_path: Path) -> None:
    tokenizer = wordpieces()
    rows = torch.from_numpy(random_rows(tokenizer.get_vocab_size(), 32)).bfloat16()
    folder = static_model(tmp_path / "model", tokenizer, rows)

    found = load_student(folder).encode_queries(TEXTS)

    wanted = as_published(static_model(tmp_path / "same", tokenizer, rows.float()))
    assert least_cosine(found, wanted) > 0.9999


def test_modules_after_the_table_and_prompts_count(tmp_path: Path) -> None:
    tokenizer = wordpieces()
    rows = random_rows(tokenizer.get_vocab_size(), 32) + 0.5
    torch.manual_seed(1)
    layers = [Normalize(), Dense(32, 48, bias=True, activation_function=torch.nn.Tanh())]
    prompts = {"query": "query: ", "document": "passage: "}
    folder = static_model(tmp_path / "model", tokenizer, rows, *layers, prompts=prompts)

    student = load_student(folder)

    model = SentenceTransformer(folder, device="cpu", local_files_only=True)
    wanted = unit_rows(model.encode_query(TEXTS, show_progress_bar=False))
    assert student.dimensions == 48
    assert least_cosine(student.encode_queries(TEXTS), wanted) > 0.9999
    wanted = unit_rows(model.encode_document(TEXTS, show_progress_bar=False))
    assert least_cosine(student.encode_documents(TEXTS), wanted) > 0.9999


def test_a_vocabulary_of_few_rows_with_weights_is_pooled_as_model2vec_does(tmp_path: Path) -> None:
    tokenizer = wordpieces()
    count = tokenizer.get_vocab_size()
    mapping = (np.arange(count) * 7 % 60).astype(np.int64)
    weights = np.linspace(0.1, 2, count, dtype=np.float64)
    rows = random_rows(60, 32)
    tensors = {"embeddings": rows, "weights": weights, "mapping": mapping}
    folder = model2vec_model(tmp_path / "model", tokenizer, **tensors)

    found = load_student(folder).encode_queries(["how do vaccines"])

    ids = tokenizer.encode("how do vaccines", add_special_tokens=False).ids
    by_hand = np.mean([rows[mapping[id]] * weights[id] for id in ids], axis=0)
    assert np.allclose(found[0], by_hand / np.linalg.norm(by_hand), atol=1e-6)
    assert least_cosine(load_student(folder).encode_queries(TEXTS), as_published(folder)) > 0.9999


def test_model2vec_leaves_unknown_words_out(tmp_path: Path) -> None:
    vocabulary = {"[UNK]": 0, "dog": 1, "cat": 2}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    rows = np.eye(3, dtype=np.float32)
    folder = model2vec_model(tmp_path / "model", tokenizer, embeddings=rows)

    found = load_student(folder).encode_queries(["a dog and a cat"])

    assert np.allclose(found[0], [0, 0.5**0.5, 0.5**0.5])


def test_our_integers_are_read_by_sentence_transformers_too(tmp_path: Path) -> None:
    tokenizer = wordpieces()
    rows = random_rows(tokenizer.get_vocab_size(), 64)
    rows[1] = 0  # the unknown token
    prompts = {"query": "query: "}
    write_static_model(tmp_path / "model", rows, tokenizer, max_tokens=512, prompts=prompts)

    student = load_student(str(tmp_path / "model"))

    prompted = [f"query: {text}" for text in TEXTS]
    assert (
        least_cosine(student.encode_queries(TEXTS), as_published(student.name, prompted)) > 0.9999
    )
    whole = load_student(static_model(tmp_path / "whole", tokenizer, rows, prompts=prompts))
    assert least_cosine(student.encode_queries(TEXTS), whole.encode_queries(TEXTS)) > 0.999
    assert (student.max_tokens, student.query_prompt) == (512, "query: ")


@pytest.mark.parametrize(("pooling", "divisor"), [("mean", 4.0), ("sqrt", 2.0), ("sum", 1.0)])
def test_the_declared_pooling_decides_what_a_bias_weighs(
    tmp_path: Path, pooling: str, divisor: float
) -> None:
    tokenizer = Tokenizer(WordLevel({"[UNK]": 0, "a": 1, "b": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    rows = np.array([[0, 0], [1, 0], [0, 1]], dtype=np.float32)
    head = Dense(2, 2, bias=True, activation_function=torch.nn.Identity())
    with torch.no_grad():
        head.linear.weight.copy_(torch.eye(2))
        head.linear.bias.copy_(torch.tensor([0.0, 3.0]))
    folder = static_model(tmp_path / "model", tokenizer, rows, head)
    (tmp_path / "model" / "config.json").write_text(json.dumps({"pooling": pooling}))

    found = load_student(folder).encode_queries(["a a a b"])

    by_hand = np.array([3 / divisor, 1 / divisor + 3])
    assert np.allclose(found[0], by_hand / np.linalg.norm(by_hand), atol=1e-6)


def test_padding_in_the_tokenizer_is_left_out(tmp_path: Path) -> None:
    """Published ones pad every text to 500 tokens."""
    folder = shape_of_nife(tmp_path / "model")
    file = tmp_path / "model" / "tokenizer.json"
    padding = {
        "strategy": {"Fixed": 500},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "[PAD]",
    }
    before = load_student(folder).encode_queries(TEXTS)
    file.write_text(json.dumps({**json.loads(file.read_text()), "padding": padding}))

    found = load_student(folder).encode_queries(TEXTS)

    assert np.array_equal(found, before)


@pytest.mark.parametrize("direction", ["Right", "Left"])
def test_long_texts_are_cut_as_the_tokenizer_says(tmp_path: Path, direction: str) -> None:
    folder = shape_of_nife(tmp_path / "model")
    file = tmp_path / "model" / "tokenizer.json"
    truncation = {
        "direction": direction,
        "max_length": 5,
        "strategy": "LongestFirst",
        "stride": 0,
    }
    file.write_text(json.dumps({**json.loads(file.read_text()), "truncation": truncation}))

    student = load_student(folder)

    long = [" ".join(PROBES)]
    assert student.max_tokens == 5
    assert least_cosine(student.encode_queries(long), as_published(folder, long)) > 0.9999
    assert student.tokenizer.truncation is None


def test_what_no_row_stands_for_gets_a_unit_vector_and_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tokenizer = Tokenizer(WordLevel({"[UNK]": 0, "dog": 1, "cat": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    rows = np.array([[0, 0], [1, 0], [1, 1]], dtype=np.float32)
    student = load_student(static_model(tmp_path / "model", tokenizer, rows))

    found = student.encode_queries(["", "   ", "☃ snow", "dog"])

    assert np.allclose(np.linalg.norm(found, axis=1), 1)
    assert np.allclose(found[:3], [2 / 5**0.5, 1 / 5**0.5])  # the direction of the mean row
    assert np.allclose(found[3], [1, 0])
    assert caplog.text.count("knows none of the words of a text") == 3


def test_rows_that_cancel_out_give_a_unit_vector(tmp_path: Path) -> None:
    tokenizer = Tokenizer(WordLevel({"[UNK]": 0, "up": 1, "down": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    rows = np.array([[0, 0], [0, 1], [0, -1]], dtype=np.float32)
    student = load_student(static_model(tmp_path / "model", tokenizer, rows))

    assert np.allclose(student.encode_queries(["up down"]), [[1, 0]])


def test_words_that_the_vocabulary_lacks_are_spelt_for_it(tmp_path: Path) -> None:
    tokenizer = wordpieces()
    rows = random_rows(tokenizer.get_vocab_size(), 16)
    student = load_student(static_model(tmp_path / "model", tokenizer, rows))

    rice, water = found = student.encode_queries(["ข้าว", "น้ำ"])

    spelt = Words(tokenizer).write(["ข้าว", "น้ำ"])
    assert all(text.isascii() for text in spelt)
    assert np.array_equal(found, student.encode_queries(spelt))
    assert rice @ water < 0.99


def test_a_unigram_model_is_read(tmp_path: Path) -> None:
    pieces = [("<unk>", 0.0), ("dog", -1.0), ("cat", -1.0), ("s", -2.0)]
    tokenizer = Tokenizer(Unigram(pieces, unk_id=0))
    rows = np.eye(4, dtype=np.float32)
    student = load_student(model2vec_model(tmp_path / "model", tokenizer, embeddings=rows))

    assert np.allclose(student.encode_queries(["dogs!"]), [[0, 0.5**0.5, 0, 0.5**0.5]])


def test_it_is_a_teacher_too(tmp_path: Path) -> None:
    folder = shape_of_nife(tmp_path / "model")

    teacher, student = load_encoder(folder), load_student(folder)

    assert np.array_equal(teacher.encode_documents(TEXTS), student.encode_documents(TEXTS))
    assert teacher.revision == student.revision
    assert load_tokenizer(folder).to_str() == teacher.tokenizer.to_str()


def test_its_probe_tells_it_from_another(tmp_path: Path) -> None:
    student = load_student(shape_of_nife(tmp_path / "model"))

    require_probe(student, encode_probe(student))


def test_a_query_needs_neither_torch_nor_onnxruntime(core_only: Path, tmp_path: Path) -> None:
    folder = shape_of_nife(tmp_path / "model")
    program = f"""
import sys
from leafsearch.vectors import load_student
student = load_student({folder!r})
print(len(student.encode_queries(["how do vaccines protect"])[0]))
print(sorted({{"torch", "onnxruntime", "transformers"}} & set(sys.modules)))
"""
    ended = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{core_only}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split("\n")[:2] == ["1024", "[]"]
