import os
import re
import struct
import subprocess
import sys
from hashlib import blake2b

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from leafsearch.vectors import (
    AlignmentError,
    ModelError,
    check_alignment,
    load_encoder,
    load_tokenizer,
)
from leafsearch.vectors.encoders import unit_rows
from leafsearch.vectors.encoders.model_files import fingerprint

PROMPT = "Represent this sentence for searching relevant passages: "
TEXTS = ["open a file", "The treaty was signed in 1992.", "roast vegetables in the oven"]


def test_a_pair_of_the_published_shape_loads(published_pair: tuple[str, str]) -> None:
    teacher, student = map(load_encoder, published_pair)

    assert teacher.dimensions == student.dimensions == 64
    assert teacher.max_tokens == student.max_tokens == 512
    assert (teacher.query_prompt, teacher.document_prompt) == (PROMPT, "")
    assert (student.query_prompt, student.document_prompt) == (PROMPT, "")


def test_rows_are_of_unit_length_although_the_models_do_not_normalise(
    published_pair: tuple[str, str],
) -> None:
    for name in published_pair:
        assert not any("Normalize" in str(module) for module in SentenceTransformer(name))
        rows = load_encoder(name, precision="float32").encode_documents(TEXTS)
        assert rows.dtype == np.float32
        assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


def test_queries_get_the_prompt_and_documents_do_not(published_pair: tuple[str, str]) -> None:
    encoder = load_encoder(published_pair[1], precision="float32")

    prompted = encoder.encode_documents([PROMPT + text for text in TEXTS])
    assert np.allclose(encoder.encode_queries(TEXTS), prompted, atol=1e-6)
    cosines = np.sum(encoder.encode_queries(TEXTS) * encoder.encode_documents(TEXTS), axis=1)
    assert cosines.max() < 0.99


def test_a_document_prompt_of_the_model_is_used(
    published_pair: tuple[str, str], tmp_path: os.PathLike[str]
) -> None:
    model = SentenceTransformer(published_pair[1])
    model.prompts = {"query": "q: ", "passage": "p: "}
    model.save(str(tmp_path))

    encoder = load_encoder(str(tmp_path), precision="float32")

    assert encoder.document_prompt == "p: "
    assert np.allclose(
        encoder.encode_documents(["x"]),
        load_encoder(published_pair[1], precision="float32").encode_documents(["p: x"]),
        atol=1e-6,
    )


def test_half_precision_weights_are_computed_in_float32_on_a_cpu(
    published_pair: tuple[str, str],
) -> None:
    kept = SentenceTransformer(published_pair[0], device="cpu", model_kwargs={"dtype": "auto"})
    assert str(kept.dtype) == "torch.float16"
    full = SentenceTransformer(published_pair[0], device="cpu", model_kwargs={"dtype": "float32"})
    expected = full.encode(TEXTS, normalize_embeddings=True)

    rows = load_encoder(published_pair[0], precision="float32").encode_documents(TEXTS)
    assert np.allclose(rows, expected, atol=1e-5)


def test_no_texts_give_no_rows(published_pair: tuple[str, str]) -> None:
    assert load_encoder(published_pair[0]).encode_documents([]).shape == (0, 64)


def test_the_tokenizer_neither_cuts_nor_pads(minilm: str) -> None:
    encoder = load_encoder(minilm)

    assert encoder.max_tokens == 256
    assert len(encoder.tokenizer.encode("word " * 1000)) == 1002
    assert len(encoder.tokenizer.encode("word")) == 3


def test_a_distilled_student_is_accepted(published_pair: tuple[str, str]) -> None:
    teacher, student = map(load_encoder, published_pair)

    found = check_alignment(teacher, student)

    assert found.cosine > 0.95
    assert found.margin > 0.2


def test_a_student_of_another_space_is_rejected_with_its_cosine(
    published_pair: tuple[str, str], stranger: str
) -> None:
    teacher, student = load_encoder(published_pair[0]), load_encoder(stranger)

    with pytest.raises(AlignmentError, match=r"mean cosine -?0\.\d\d.*expected at least 0\.5"):
        check_alignment(teacher, student)


def test_different_dimensions_are_rejected(minilm: str, stranger: str) -> None:
    with pytest.raises(AlignmentError, match=r"gives 64 dimensions, teacher .* 384"):
        check_alignment(load_encoder(minilm), load_encoder(stranger))


def test_a_revision_is_the_same_wherever_the_folder_lies(
    published_pair: tuple[str, str], tmp_path: os.PathLike[str]
) -> None:
    import shutil
    from pathlib import Path

    copy = Path(tmp_path, "copy")
    shutil.copytree(published_pair[1], copy)
    assert fingerprint(copy) == load_encoder(published_pair[1]).revision
    (copy / "README.md").write_text("other words")
    assert fingerprint(copy) == load_encoder(published_pair[1]).revision
    config = copy / "config_sentence_transformers.json"
    config.write_text(config.read_text().replace("Represent", "Show"))
    assert fingerprint(copy) != load_encoder(published_pair[1]).revision


def test_another_revision_is_rejected(published_pair: tuple[str, str]) -> None:
    with pytest.raises(ModelError, match="made with sha256:0"):
        load_encoder(published_pair[0], revision="sha256:0")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("./nowhere", "no such folder"),
        ("justaname", "expected a folder with a sentence-transformers model"),
        ("package:no_such_package/model", "'no_such_package' is not installed"),
        ("hashing:lots", "expected hashing:N"),
        ("hashing:0", "expected hashing:N"),
    ],
)
def test_a_missing_model_is_named(name: str, expected: str) -> None:
    with pytest.raises(ModelError, match=expected):
        load_encoder(name)


def test_a_folder_without_a_model_is_rejected(tmp_path: os.PathLike[str]) -> None:
    with pytest.raises(ModelError, match=r"neither modules\.json nor config\.json"):
        load_encoder(str(tmp_path))


def test_a_damaged_model_is_one_line(tmp_path: os.PathLike[str]) -> None:
    from pathlib import Path

    Path(tmp_path, "modules.json").write_text("[{]")

    with pytest.raises(ModelError, match=r"modules\.json cannot be read: ") as caught:
        load_encoder(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_without_a_hub_the_error_names_the_offline_preset(tmp_path: os.PathLike[str]) -> None:
    """A process of its own, because the hub's library reads its address when it is imported."""
    program = "from leafsearch.vectors import load_encoder; load_encoder('MongoDB/mdbr-leaf-mt')"
    environ = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)}

    ended = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=False
    )

    last = ended.stderr.strip().splitlines()[-1]
    assert last.startswith("leafsearch.vectors.errors.ModelError: model MongoDB/mdbr-leaf-mt")
    assert "hub cannot be reached" in last
    assert "--preset offline" in last


def test_hashing_needs_no_model_and_knows_shared_words() -> None:
    encoder = load_encoder("hashing:512")

    near, far = encoder.encode_documents(["the red house", "a blue boat"])
    query = encoder.encode_queries(["red house"])[0]

    assert query @ near > 0.5 > query @ far
    assert np.linalg.norm(encoder.encode_documents(["?!"])) == pytest.approx(1)


def test_hashing_adds_for_each_word_a_sign_at_four_places() -> None:
    texts = ["The red, red house!", "", "ünïcode 漢字 and_underscores 42"] * 200

    rows = load_encoder("hashing:48").encode_documents(texts)

    wanted = np.zeros((len(texts), 48))
    for row, text in zip(wanted, texts, strict=True):
        for word in re.findall(r"\w+", text.lower()):
            for number in struct.unpack("<4I", blake2b(word.encode(), digest_size=16).digest()):
                row[(number >> 1) % 48] += 1 if number & 1 else -1
        row[0] += not row.any()
    assert np.array_equal(rows, unit_rows(wanted))


def test_hashing_forgets_words_and_still_gives_the_same_rows() -> None:
    encoder = load_encoder("hashing:64")
    first = encoder.encode_documents(["the red house"])

    encoder.encode_documents([" ".join(map(str, range(120_000)))])

    assert np.array_equal(encoder.encode_documents(["the red house"]), first)


def test_importing_the_project_imports_no_torch() -> None:
    program = (
        "import sys; from leafsearch import config, vectors, ingest, search; "
        "print([m for m in ('torch', 'transformers', 'sentence_transformers') if m in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert ended.stdout.strip() == "[]"


def test_the_tokenizer_alone_is_that_of_the_model(
    minilm: str, published_pair: tuple[str, str]
) -> None:
    for name in (minilm, *published_pair, "hashing:64"):
        assert load_tokenizer(name).to_str() == load_encoder(name).tokenizer.to_str()
