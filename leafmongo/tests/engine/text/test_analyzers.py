"""Texts are split into words, and into stems by the analyzer of a language."""

import pytest

pytest.importorskip("tantivy")

from leafmongo.engine.text import TextIndex, parse_text_definition, parse_text_query
from leafmongo.engine.text.analyzers import ANALYZERS, terms
from leafmongo.engine.text.postings import has_words


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


@pytest.mark.parametrize(
    ("analyzer", "text", "expected"),
    [
        ("lucene.english", "The horses were running", ["hors", "were", "run"]),
        ("lucene.german", "Die Häuser und das Haus", ["haus", "haus"]),
        ("lucene.french", "L'avion, l’avion et les avions", ["avion", "avion", "avion"]),
        ("lucene.italian", "nell'acqua dell’acqua", ["acqua", "acqua"]),
        ("lucene.spanish", "las casas de la casa", ["cas", "cas"]),
        ("lucene.russian", "книга и книги", ["книг", "книг"]),
        ("lucene.turkish", "evler ev", ["ev", "ev"]),
        ("lucene.standard", "The horses", ["the", "horses"]),
    ],
)
def test_a_language_gives_stems_without_stop_words(
    analyzer: str, text: str, expected: list[str]
) -> None:
    assert terms(text, analyzer) == expected


def test_every_analyzer_gives_terms() -> None:
    assert all(terms("XK-4711", analyzer) == ["xk", "4711"] for analyzer in ANALYZERS)


def found(definition: dict[str, object], query: str) -> set[object]:
    index = TextIndex(parse_text_definition(definition))
    index.upsert_many([{"_id": 1, "a": "running horses", "b": "running horses"}])
    clauses = [
        {"text": {"query": query, "path": "a"}},
        {"compound": {"must": [{"text": {"query": query, "path": "b"}}]}},
    ]
    matches = [index.search(parse_text_query(clause)) for clause in clauses]
    return {path for path, hits in zip("ab", matches, strict=True) if hits}


STRING = {"type": "string"}


@pytest.mark.parametrize(
    ("definition", "query", "expected"),
    [
        ({"mappings": {"dynamic": True}}, "horse", set()),
        ({"mappings": {"dynamic": True}, "analyzer": "lucene.english"}, "horse", {"a", "b"}),
        (
            {"mappings": {"fields": {"a": {**STRING, "analyzer": "lucene.english"}, "b": STRING}}},
            "horse",
            {"a"},
        ),
        (
            {
                "mappings": {
                    "fields": {"a": {**STRING, "analyzer": "lucene.standard"}, "b": STRING}
                },
                "analyzer": "lucene.english",
            },
            "horse",
            {"b"},
        ),
        (
            {"mappings": {"dynamic": True}, "searchAnalyzer": "lucene.english"},
            "horses",
            set(),
        ),
        (
            {
                "mappings": {"fields": {"a": {**STRING, "searchAnalyzer": "lucene.standard"}}},
                "analyzer": "lucene.english",
            },
            "hors",
            {"a"},
        ),
    ],
    ids=[
        "standard does not stem",
        "of the index",
        "of a field",
        "of a field before that of the index",
        "of searches alone",
        "of searches at a field",
    ],
)
def test_texts_and_questions_have_their_analyzers(
    definition: dict[str, object], query: str, expected: set[str]
) -> None:
    assert found(definition, query) == expected
