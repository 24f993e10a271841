"""Texts are split into words."""

import pytest

pytest.importorskip("tantivy")

from leafmongo.engine.text.postings import has_words, terms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The QUICK brown-fox!", ["the", "quick", "brown", "fox"]),
        ("can't won’t O'Neil's", ["can't", "won’t", "o'neil's"]),
        ("3.14 1,000 v2.0 2.x", ["3.14", "1,000", "v2.0", "2", "x"]),
        ("example.com U.S.A. a:b", ["example.com", "u.s.a", "a:b"]),
        ("snake_case __init__ _ -", ["snake_case", "__init__"]),
        ("a/b c@d #e", ["a", "b", "c", "d", "e"]),
        ("naïve cafe\u0301 ÄRGER", ["naïve", "cafe\u0301", "ärger"]),
        ("東京タワー すし", ["東", "京", "タワー", "す", "し"]),
        ("한국어 텍스트", ["한국어", "텍스트"]),
        ("ภาษาไทย", ["ภาษาไทย"]),
        ('שלום "צה"ל"', ["שלום", "צה", "ל"]),
        ("один, два", ["один", "два"]),
        ("... — !? \n\t", []),
        ("", []),
    ],
)
def test_words_follow_unicodes_rules(text: str, expected: list[str]) -> None:
    assert terms(text) == expected
    assert has_words(text) == bool(expected)


def test_lines_end_words() -> None:
    assert terms("a\nb") == ["a", "b"]
