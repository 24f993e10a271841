"""Whatever a text looks like: its chunks cover it, none is too long, and all runs agree on them."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from leafsearch.ingest import Chunker, Document
from leafsearch.vectors import load_encoder

Covers = Callable[[str, list[str]], bool]

blocks = st.sampled_from(
    [
        "# Heading\n",
        "## 1. Deeper! And more\n\n",
        "Underlined\n=====\n",
        "```sh\n# code\nrun it now\n```\n",
        "~~~\nnever closed\n",
        "| a | b |\n|---|---|\n| one | two |\n| three | four |\n",
        "- item one\n- item two\n  - deeper\n",
        "1) first\n2. second\n",
        "---\nfront: matter\n---\n",
        'A sentence. Another one! "And a third?"\n\n',
        "一句话。又一句！",
        "\u200b\u202eodd\u0301\ufdfa\U0001f468\u200d\U0001f469\u200d\U0001f467 ½ ﬁ\n",
        "x" * 150 + " ",
        "https://example.org/" + "a/b-c." * 30 + "\n",
        "\0\t\r\n \x0b\x1c\u2028\u3000",
        "=== *** --- ||| ###\n",
    ]
)
texts = st.lists(blocks | st.text(max_size=40), min_size=1, max_size=12).map("".join)
plain = st.text(st.sampled_from("ab .!?\n#-*é中。\"'|`~="), min_size=1, max_size=600)
titles = st.sampled_from(["", "Heading", "A title", "many words " * 20])


@pytest.fixture(scope="session", params=["hashing:64", "minilm", "byte pairs"])
def tokenizer(request: pytest.FixtureRequest) -> Any:
    if request.param == "byte pairs":
        return byte_pairs()
    name = request.getfixturevalue("minilm") if request.param == "minilm" else request.param
    return load_encoder(name).tokenizer


def byte_pairs() -> Any:
    """Blanks belong to the words behind them, and a sign of four bytes may be four tokens."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(["A sentence. Another one! And a third? heading item code"], trainer)
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    return made


@given(
    text=texts | plain,
    title=titles,
    tokens=st.integers(24, 64),
    share=st.floats(0, 0.5),
    trail=st.booleans(),
)
@example("a" * 300 + "." + " b" * 300, "", 24, 0.5, False)
@example("# A\n" + "word " * 60 + "\n## B\n" + "word " * 60, "A", 32, 0.2, True)
@example("\ufdfa" * 60, "", 40, 0.0, False)
@example("|" + "a | b" * 40 + "\n|---|---|\n" + "c | d\n" * 40, "", 24, 0.5, True)
@example("```\n" + "x = 1\n" * 60 + "```\n", "", 24, 0.1, False)
@settings(max_examples=100, deadline=None)
def test_chunks_cover_the_text_and_none_is_too_long(
    tokenizer: Any, covers: Covers, text: str, title: str, tokens: int, share: float, trail: bool
) -> None:
    cut = Chunker(
        tokenizer, max_tokens=512, tokens=tokens, overlap=int(tokens * share), heading_trail=trail
    )
    document = Document("d", text, title)

    chunks = cut.split(document)

    kept = {chunk.title for chunk in chunks} != {""}
    whole = text if kept or not title or not chunks else f"{title}\n\n{text}"
    assert all(len(tokenizer.encode(c.encoded_text)) <= tokens for c in chunks)
    assert covers(whole, [c.text for c in chunks]), [c.text for c in chunks]
    assert [c.position for c in chunks] == list(range(len(chunks)))
    assert all(c.text for c in chunks)
    assert cut.split(document) == chunks


@given(st.lists(st.tuples(texts | plain, titles), min_size=1, max_size=6))
@settings(max_examples=30, deadline=None)
def test_the_chunks_of_a_document_do_not_depend_on_other_documents(
    tokenizer: Any, given: list[tuple[str, str]]
) -> None:
    documents = [Document(str(n), text, title) for n, (text, title) in enumerate(given)]
    cut = Chunker(tokenizer, max_tokens=512, tokens=32, overlap=8, heading_trail=True)

    together = cut.split_many(documents)

    assert together == [cut.split(document) for document in documents]
    assert cut.split_many(documents[::-1]) == together[::-1]


def test_no_documents_have_no_chunks(tokenizer: Any) -> None:
    cut = Chunker(tokenizer, max_tokens=512, tokens=32, overlap=8)

    assert cut.split_many([]) == []
    assert cut.split_many([Document("d", ""), Document("e", " \n ")]) == [[], []]
