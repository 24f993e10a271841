"""Long runs without blanks: chunks are counted as they are encoded."""

import pytest

from leafsearch.config import PRESETS
from leafsearch.ingest.chunking.chunker import Chunker
from leafsearch.ingest.document import Document
from leafsearch.vectors import load_tokenizer
from leafsearch.vectors.encoders import Words

THAI = "เรือข้ามฟากออกจากท่าเรือเวลาเก้าโมงเช้าทุกวันยกเว้นวันที่มีลมแรงจากทิศเหนือ"


@pytest.mark.parametrize(
    "text",
    [(THAI * 60)[:3_420], "ACGTTGCAAGGCTTACG" * 1_200, "សាលារៀននៅក្នុងភូមិ" * 200],
    ids=["Thai", "DNA", "Khmer"],
)
def test_chunks_of_one_long_word_keep_to_the_budget(text: str) -> None:
    tokenizer = load_tokenizer(PRESETS["offline"].teacher)

    chunks = Chunker(tokenizer, max_tokens=256, tokens=256, overlap=0).split(Document("d", text))

    assert "".join(chunk.text for chunk in chunks) == text
    assert len(chunks) > 3
    counts = Words(tokenizer).count([chunk.text for chunk in chunks])
    assert [chunk.tokens for chunk in chunks] == [count.tokens for count in counts]
    assert max(chunk.tokens for chunk in chunks) <= 254
    assert chunks[0].is_unknown == (not text.isascii())
