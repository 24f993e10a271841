"""Words that a tokenizer does not know: written in pieces for every encoder, and counted."""

import random
import string
from itertools import pairwise

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from leafsearch.config import PRESETS
from leafsearch.vectors import load_tokenizer
from leafsearch.vectors.encoders import Words, load_encoder, load_student

PAIR = PRESETS["offline"]
FERRY = (
    "เรือข้ามฟากออกจากท่าเรือเวลาเก้าโมงเช้าทุกวันยกเว้นวันที่มีลมแรงจากทิศเหนือผู้โดยสารต้องรอที่ท่าเรือจนกว่าลมจะสงบลง"
)
RICE = (
    "ชาวนาปลูกข้าวในนาช่วงฤดูฝนและเก็บเกี่ยวเมื่อเมล็ดข้าวเปลี่ยน"
    "เป็นสีทองแล้วนำไปตากแดดให้แห้งก่อนเก็บไว้ในยุ้งฉางของหมู่บ้าน"
)
KHMER = (
    "សាលារៀននៅក្នុងភូមិរបស់យើងមានសិស្សជាច្រើននាក់មករៀនរាល់ថ្ងៃហើយគ្រូបង្រៀនពួកគេអំពីភាសានិងគណិតវិទ្យាព្រមទាំងប្រវត្តិសាស្ត្រ"
)
DNA, LONG_ID = "ACGTTGCAAGGCTTACG" * 12, "x9K" * 60
RUNS = {
    "Thai": FERRY,
    "Khmer": KHMER,
    "Lao": "ຂ້ອຍຮັກປະເທດລາວຫຼາຍທີ່ສຸດໃນໂລກນີ້" * 5,
    "Burmese": "မြန်မာနိုင်ငံသည်အရှေ့တောင်အာရှတွင်တည်ရှိသည်" * 4,
    "Tibetan": "བོདཡིགནིབོདམིའིསྐདཡིགཡིན" * 6,
    "DNA": DNA,
    "base64": "QmFzZTY0IGlzIGEgZ3JvdXAgb2YgYmluYXJ5" * 5,
    "hex": "9f86d081884c7d659a2feaa0c55ad015" * 4,
    "identifier": "theVeryLongNameOfAClassThatNobodyEverWantsToType" * 3,
    "address": "httpswwwexampleorgguideinstalllinuxpackages" * 4,
    "Hangul, decomposed": "\u1112\u1161\u11ab\u1100\u116e\u11a8" * 40,
    "Hangul": "한국어문장" * 20,
    "marks": "a\u0301\u0323" * 200,
    "one letter with marks": "a" + "\u0301" * 500,
    "emoji": "😀👍🏽👨‍👩‍👧" * 60,
    "Greek and marks": "λόγος\u0345" * 30,
}


@pytest.fixture(scope="module")
def bert() -> Tokenizer:
    return load_tokenizer(PAIR.teacher)


def small(limit: int = 100, *, letters: str = string.ascii_lowercase) -> Tokenizer:
    """WordPiece over single letters."""
    vocabulary = ["[UNK]", *letters, *(f"##{letter}" for letter in letters)]
    ids = {token: id for id, token in enumerate(vocabulary)}
    model = models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=limit)
    found = Tokenizer(model)
    found.normalizer = normalizers.BertNormalizer()
    found.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return found


KNOWN = ("DNA", "base64", "hex", "identifier", "address", "Hangul", "Hangul, decomposed")


@pytest.mark.parametrize("kind", KNOWN)
def test_only_blanks_come_between_known_letters(bert: Tokenizer, kind: str) -> None:
    (written,) = Words(bert).write([RUNS[kind]])

    assert written != RUNS[kind]
    assert written.replace(" ", "") == RUNS[kind]


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_what_is_written_stays(bert: Tokenizer, run: str) -> None:
    written = Words(bert).write([run])

    assert Words(bert).write(written) == written


@pytest.mark.parametrize("kind", ["Khmer", "Lao", "Burmese"])
def test_letters_that_the_vocabulary_lacks_become_latin(bert: Tokenizer, kind: str) -> None:
    (written,), (count,) = Words(bert).write([RUNS[kind]]), Words(bert).count([RUNS[kind]])

    assert written.isascii()
    assert count.is_mostly_unknown
    assert count.tokens > 40


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_no_word_is_longer_than_the_tokenizer_takes(bert: Tokenizer, run: str) -> None:
    (cut,) = Words(bert).write([run])

    normal = bert.normalizer.normalize_str(cut)
    assert max(map(len, normal.split())) <= 100


@pytest.mark.parametrize("kind", KNOWN)
def test_a_run_of_known_letters_has_no_unknown_token(bert: Tokenizer, kind: str) -> None:
    (count,) = Words(bert).count([RUNS[kind]])

    assert count.unknown == 0
    assert count.tokens > 20


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "The ferry leaves at nine.",
        "你好，世界。" * 100,
        "naïve café “x”",
        "🙂",
        "😀😀",
        "[UNK]",
    ],
)
def test_other_texts_stay_as_they_are(bert: Tokenizer, text: str) -> None:
    assert Words(bert).write([text]) == [text]


def test_a_word_is_parted_from_signs_that_the_vocabulary_lacks(bert: Tokenizer) -> None:
    words = Words(bert)

    assert words.write(["great🙂 weather"]) == ["great 🙂 weather"]
    (count,) = words.count([FERRY[:60]])
    assert 0 < count.unknown < count.tokens


def test_a_part_is_written_as_the_whole(bert: Tokenizer) -> None:
    words = Words(bert)

    for whole in (FERRY, "".join(random.Random(1).choices(string.ascii_letters, k=3_000))):
        pieces, of_part = (words.write([text])[0].split() for text in (whole, whole[23:]))
        assert len(set(of_part) & set(pieces)) >= 0.6 * len(of_part)


def test_a_blank_of_no_width_parts_words(bert: Tokenizer) -> None:
    assert Words(bert).write(["great\u200babc\u200b☃"]) == ["great \u200b abc \u200b ☃"]


def test_the_limit_is_the_tokenizers_own() -> None:
    words = Words(small(limit=10))

    assert words.write(["abcdefghij"]) == ["abcdefghij"]
    assert max(map(len, words.write(["abcdefghijk" * 9])[0].split())) <= 10


@pytest.mark.parametrize(
    "model",
    [
        models.Unigram([("<unk>", 0.0), ("a", -1.0), ("b", -1.0)], unk_id=0),
        models.BPE({"<unk>": 0, "a": 1, "b": 2}, [], unk_token="<unk>"),
        models.WordLevel({"<unk>": 0, "a": 1}, unk_token="<unk>"),
    ],
)
def test_other_tokenizers_get_the_text_as_it_is(model: models.Model) -> None:
    words = Words(Tokenizer(model))

    assert words.write(["ab" * 300, "ភាសា"]) == ["ab" * 300, "ភាសា"]
    assert words.count(["ភាសា"])[0].is_mostly_unknown


def test_the_hashing_encoder_knows_everything() -> None:
    (count,) = Words(load_tokenizer("hashing:8")).count(["ភាសា and more"])

    assert (count.tokens, count.unknown) == (3, 0)


def test_offsets_are_those_of_the_text_as_it_was(bert: Tokenizer) -> None:
    text = f"Before {DNA} between {FERRY} after"

    offsets = Words(bert).offsets(text)

    assert [text[start:end] for start, end in (offsets[0], offsets[-1])] == ["Before", "after"]
    assert all(a[0] <= b[0] and a[1] <= b[1] for a, b in pairwise(offsets))
    covered = {place for start, end in offsets for place in range(start, end)}
    assert not [p for p, letter in enumerate(text) if letter.isalnum() and p not in covered]
    assert len(offsets) == Words(bert).count([text])[0].tokens


def test_a_hundred_thousand_letters_in_one_word_are_cut_at_once(bert: Tokenizer) -> None:
    (count,) = Words(bert).count(["ACGT" * 25_000])

    assert count.unknown == 0


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    """Documents by the teacher and questions by the student: case by case the same five texts."""
    texts = [FERRY, RICE, KHMER, DNA, LONG_ID]
    teacher, student = load_encoder(PAIR.teacher), load_student(PAIR.student)
    return teacher.encode_documents(texts), student.encode_queries([FERRY, RICE, FERRY[20:80]])


def test_five_texts_without_blanks_have_five_vectors(rows: tuple[np.ndarray, np.ndarray]) -> None:
    documents, _ = rows

    cosines = documents @ documents.T - np.eye(5)
    assert cosines.max() < 0.999


def test_a_question_finds_its_text(rows: tuple[np.ndarray, np.ndarray]) -> None:
    documents, questions = rows

    assert (questions @ documents.T).argmax(axis=1).tolist() == [0, 1, 0]


def test_the_teacher_encodes_questions_as_documents() -> None:
    teacher = load_encoder(PAIR.teacher)

    cosines = np.sum(
        teacher.encode_documents([FERRY, DNA]) * teacher.encode_queries([FERRY, DNA]), 1
    )

    assert cosines.min() > 0.999
