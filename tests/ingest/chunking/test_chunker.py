import itertools
from collections.abc import Callable

import pytest

from leafsearch.ingest import Chunker, Document, IngestError
from leafsearch.vectors import load_encoder

Covers = Callable[[str, list[str]], bool]
ENCODER = load_encoder("hashing:64")
PROSE = " ".join(f"Here is sentence {n}. And {n} once more!" for n in range(60))


def chunker(tokens: int = 32, overlap: int = 8, prompt: str = "") -> Chunker:
    return Chunker(ENCODER.tokenizer, max_tokens=512, tokens=tokens, overlap=overlap, prompt=prompt)


def length(text: str) -> int:
    return len(ENCODER.tokenizer.encode(text))


def test_a_short_text_is_one_chunk_as_it_is() -> None:
    (chunk,) = chunker().split(Document("d", "  One sentence.\n"))

    assert (chunk.id, chunk.text) == ("d#0", "One sentence.")


def test_chunks_end_where_sentences_end_and_share_the_last_ones() -> None:
    chunks = [c.text for c in chunker().split(Document("d", PROSE))]

    assert all(text[-1] in ".!?" for text in chunks)
    for one, other in itertools.pairwise(chunks):
        shared = max(n for n in range(len(other) + 1) if one.endswith(other[:n]))
        assert 0 < length(other[:shared]) <= 8


def test_without_overlap_nothing_is_repeated() -> None:
    chunks = chunker(overlap=0).split(Document("d", PROSE))

    assert " ".join(c.text for c in chunks) == PROSE.strip()


def test_a_heading_stays_with_what_follows_it() -> None:
    text = "Words before. " * 6 + "\n\n## The heading\n\n" + "Words after it. " * 6

    chunks = [c.text for c in chunker(overlap=0).split(Document("d", text))]

    assert not any(c.endswith("The heading") for c in chunks)
    assert any("## The heading\n\nWords after" in c for c in chunks)


def test_the_title_goes_before_each_chunk_and_counts() -> None:
    chunks = chunker().split(Document("d", PROSE, title="Numbers"))

    assert len(chunks) > 1
    assert all(c.encoded_text.startswith("Numbers ") for c in chunks)
    assert all(length(c.encoded_text) <= 32 for c in chunks)
    assert not any(c.text.startswith("Numbers") for c in chunks)


def test_a_title_too_long_to_repeat_is_text(covers: Covers) -> None:
    chunks = chunker().split(Document("d", "Short text.", title="many words " * 20))

    assert covers("many words " * 20 + "Short text.", [c.text for c in chunks])


def test_the_prompt_of_the_teacher_counts() -> None:
    prompted = chunker(prompt="represent this passage: ").split(Document("d", PROSE))

    assert all(length("represent this passage: " + c.text) <= 32 for c in prompted)


def test_the_hash_tells_text_from_metadata() -> None:
    def hash_of(text: str, **metadata: object) -> tuple[bytes, bytes]:
        (chunk,) = chunker().split(Document("d", text, metadata=metadata))
        return chunk.hash[:8], chunk.hash[8:]

    one = hash_of("text", year=2020)
    assert one == hash_of("text", year=2020)
    assert one[0] == hash_of("text", year=2021)[0]
    assert one[1] != hash_of("text", year=2021)[1]
    assert one[0] != hash_of("other", year=2020)[0]
    assert one[1] != hash_of("text", year=2020.0)[1]


@pytest.mark.parametrize(
    ("tokens", "overlap", "expected"),
    [(513, 8, "16 to 512"), (15, 0, "16 to 512"), (32, 17, "half of 32"), (32, -1, "0 to half")],
)
def test_sizes_that_cannot_be_are_refused(tokens: int, overlap: int, expected: str) -> None:
    with pytest.raises(IngestError, match=expected):
        chunker(tokens, overlap)


def test_real_text_with_the_real_tokenizer_is_covered(minilm: str, covers: Covers) -> None:
    from pydoc_data.topics import topics

    encoder = load_encoder(minilm)
    real = Chunker(encoder.tokenizer, max_tokens=256, tokens=256, overlap=32)
    for name, text in topics.items():
        chunks = real.split(Document(name, text))
        assert all(len(encoder.tokenizer.encode(c.encoded_text)) <= 256 for c in chunks)
        assert covers(text, [c.text for c in chunks]), name
