import json
from collections.abc import Callable
from subprocess import CompletedProcess
from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.ingest import Document
from leafsearch.search import Searcher

Run = Callable[..., CompletedProcess[str]]
Made = Callable[..., Searcher]


@pytest.fixture
def leaf_search(run: Run, mongodb_uri: str, made: Made, database: Database[Any]) -> Run:
    """The command on a small collection with hashed vectors."""
    made(
        [
            Document("trees", "ash elm oak", metadata={"year": 1999}),
            Document("water", "sea bay " + "long " * 100, metadata={"year": 2020}),
        ],
        filters=["metadata.year"],
    )

    def search(*args: object, **environ: str) -> CompletedProcess[str]:
        where = ("--uri", mongodb_uri, "--database", database.name, "--collection", "c")
        return run("leaf-search", *args, *where, **environ)

    return search


def test_hits_are_shown_best_first(leaf_search: Run) -> None:
    ended = leaf_search("oak")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.index("trees#0") < ended.stdout.index("water#0")
    assert "ash elm oak" in ended.stdout
    assert "..." in ended.stdout


def test_query_searches_whatever_the_words_are(leaf_search: Run) -> None:
    ended = leaf_search("query", "doctor", "-k", 1, "--json")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout)["question"] == "doctor"


@pytest.mark.parametrize("words", [[], ["doctor"], ["eval"]])
def test_h_is_help(run: Run, words: list[str]) -> None:
    ended = run("leaf-search", *words, "-h")

    assert ended.returncode == 0
    assert ended.stdout == run("leaf-search", *words, "--help").stdout
    assert "Exit codes" in ended.stdout


def test_json_is_one_whole_hit_a_line(leaf_search: Run) -> None:
    first, second = map(json.loads, leaf_search("oak", "--json").stdout.splitlines())

    assert set(first) == {
        "question",
        "id",
        "document",
        "position",
        "text",
        "metadata",
        "score",
        "similarity",
        "context",
        "place",
    }
    assert (first["id"], first["metadata"]) == ("trees#0", {"year": 1999})
    assert second["text"].endswith("long long")


def test_several_questions_are_answered_one_after_the_other(leaf_search: Run) -> None:
    shown = leaf_search("oak", "sea", "-k", "1").stdout
    lines = [
        json.loads(s) for s in leaf_search("oak", "sea", "-k", "1", "--json").stdout.splitlines()
    ]

    assert [(h["question"], h["document"]) for h in lines] == [("oak", "trees"), ("sea", "water")]
    assert shown.index("oak") < shown.index("trees#0") < shown.index("sea") < shown.index("water#0")


def test_k_exact_and_filter_reach_the_search(leaf_search: Run) -> None:
    filter = '{"metadata.year": {"$gte": 2000}}'

    ended = leaf_search("oak", "-k", "1", "--exact", "--filter", filter, "--json")

    (hit,) = map(json.loads, ended.stdout.splitlines())
    assert hit["document"] == "water"


def test_a_filter_that_nothing_passes_says_so(leaf_search: Run) -> None:
    ended = leaf_search("oak", "--filter", '{"metadata.year": 1}')

    assert (ended.returncode, ended.stdout) == (0, "")
    assert "nothing passes the filter" in ended.stderr


def test_a_filter_by_another_type_than_is_stored_says_so(leaf_search: Run) -> None:
    ended = leaf_search("oak", "--filter", '{"metadata.year": {"$gte": "2000"}}')

    assert (ended.returncode, ended.stdout) == (0, "")
    assert "compares metadata.year with values of type string, but documents hold" in ended.stderr


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ([" "], "expected some text"),
        (["oak", "--filter", "year=1"], "not Extended JSON"),
        (["oak", "--filter", "[1]"], "expected a JSON object"),
        (["oak", "--filter", '{"metadata.year": {"$oid": "abc"}}'], "not Extended JSON"),
        (["oak", "--filter", '{"metadata.year": {"$numberDecimal": "x"}}'], "not Extended JSON"),
        (
            ["oak", "--filter", '{"metadata.year": {"$date": 100000000000000000}}'],
            "not Extended JSON",
        ),
        (["oak", "--filter", '{"metadata.year": 9223372036854775808}'], "cannot be sent"),
        (["oak", "--filter", '{"year": 1}'], "did you mean metadata.year?"),
        (["oak", "-k", "0"], "at least 1"),
        (["oak", "--exact", "--num-candidates", "5"], "leave num_candidates out"),
    ],
)
def test_a_mistake_is_one_line(leaf_search: Run, args: list[str], expected: str) -> None:
    ended = leaf_search(*args)

    # Which paths are declared depends on the collection; the rest can never be meant.
    code = 1 if expected == "did you mean metadata.year?" else 2
    assert (ended.returncode, ended.stdout) == (code, "")
    assert expected in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "args",
    [("-k", 0), ("--diversity", 2), ("--filter", '{"a": {"$regex": "b"}}'), ("--weights", "1,1,1")],
)
def test_what_can_never_be_meant_is_reported_before_anything_is_opened(
    run: Run, args: tuple[object, ...]
) -> None:
    ended = run("leaf-search", "oak", *args, "--uri", "mongodb://127.0.0.1:9/")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "127.0.0.1" not in ended.stderr


def test_a_misspelt_collection_is_reported_from_those_that_are_there(
    leaf_search: Run, run: Run, mongodb_uri: str, database: Database[Any]
) -> None:
    ended = run(
        *("leaf-search", "oak", "--uri", mongodb_uri, "--database", database.name),
        *("--collection", "chanks"),
    )

    assert ended.returncode == 1
    assert "has no manifest" in ended.stderr
    assert "collections with one: c" in ended.stderr


@pytest.fixture
def hostile(run: Run, mongodb_uri: str, made: Made, database: Database[Any]) -> Run:
    """The command on a document that would take over a terminal."""
    sign = "\x1b]0;owned\x07\x9b2J\x08\r"
    made([Document(f"a{sign}", f"ash {sign} oak", f"T{sign}", {"title": f"T{sign}"})])
    where = ("--uri", mongodb_uri, "--database", database.name, "--collection", "c")
    return lambda *args: run("leaf-search", *args, *where)


def test_nothing_of_a_corpus_is_obeyed_by_a_terminal(hostile: Run) -> None:
    shown = [
        hostile("oak\x1b[2J"),
        hostile("oak\x1b[2J", "ash"),
        hostile("oak", "--neighbours", 1),
        hostile("oak", "--max-tokens", 100),
        hostile("oak", "--filter", '{"\\u001b[2J": 1}'),
        hostile("oak", "--json"),
    ]

    for ended in shown:
        reported = ended.stdout + ended.stderr
        assert reported
        assert not {sign for sign in reported if sign < " " or "\x7f" <= sign < "\xa0"} - {"\n"}
    assert json.loads(shown[-1].stdout)["id"].startswith("a\x1b]0;owned")


@pytest.mark.parametrize(
    "filter",
    [
        '{"$binary": "x"}',
        '{"metadata.year": {"$binary": "x"}}',
        '{"metadata.year": {"$date": "no"}}',
        '{"metadata.year": {"$oid": 5}}',
        '{"metadata.year": {"$numberDecimal": "x"}}',
        '{"metadata.year": {"$timestamp": {"t": -1, "i": 1}}}',
        '{"$and": [' * 1000 + '{"document": "x"}' + "]}" * 1000,
        "[" * 10_000,
        "{",
        '{"a": ' + "1" * 5000 + "}",
    ],
)
def test_a_filter_that_is_no_extended_json_is_one_line(leaf_search: Run, filter: str) -> None:
    ended = leaf_search("oak", "--filter", filter)

    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert "not Extended JSON" in line
    assert line.endswith("in quotes for the shell")
    assert "indices" not in line
    assert len(line) < 700


@pytest.fixture
def with_words(run: Run, mongodb_uri: str, made: Made, database: Database[Any]) -> Run:
    """The command on a collection that has a text index."""
    made([Document("trees", "ash elm oak"), Document("sea", "rrf bay score")], hybrid=True)

    def search(*args: object) -> CompletedProcess[str]:
        where = ("--uri", mongodb_uri, "--database", database.name, "--collection", "c")
        return run("leaf-search", *where, "--json", *args)

    return search


@pytest.mark.parametrize(
    ("args", "questions", "score"),
    [
        (["oak", "--hybrid"], ["oak"], 1.0),
        (["--hybrid", "oak"], ["oak"], 1.0),
        (["--hybrid", "oak", "--hybrid=rrf"], ["oak"], 2 / 61),
        (["--hybrid", "score", "oak"], ["oak"], 1.0),
        (["--hybrid", "rrf", "oak"], ["oak"], 2 / 61),
        (["oak", "--hybrid", "rrf"], ["oak"], 2 / 61),
        (["oak", "--hybrid=rrf"], ["oak"], 2 / 61),
        (["oak", "--hybrid", "rrf", "--weights", "1,3"], ["oak"], 4 / 61),
        (["oak", "--hybrid", "--normalization", "minMaxScaler"], ["oak"], 0.5),
        (["--hybrid", "--", "rrf"], ["rrf"], 1.0),
        (["score", "rrf", "--hybrid"], ["score", "rrf"], 1.0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
@pytest.mark.parametrize("opener", [Searcher], ids=["once"])
def test_hybrid_stands_alone_or_names_a_fusion(
    with_words: Run, args: list[str], questions: list[str], score: float
) -> None:
    """The word after it is its value only if it is one."""
    ended = with_words("-k", 1, *args)

    hits = [json.loads(line) for line in ended.stdout.splitlines()]
    assert ended.stderr == ""
    assert [hit["question"] for hit in hits] == questions
    assert [hit["score"] for hit in hits] == pytest.approx([score] * len(questions))


@pytest.mark.parametrize(
    ("args", "code", "expected"),
    [
        (["--hybrid", "rff", "oak"], 0, "'rff' is taken as a question; did you mean --hybrid rrf?"),
        (["oak", "--hybrid=rank"], 2, "hybrid is 'rank'; expected True, False, 'score' or 'rrf'"),
        (["oak", "--normalization", "sigmoid"], 2, "give hybrid='score' (--hybrid score)"),
        (["oak", "--hybrid", "--normalization", "sigmoide"], 2, "did you mean sigmoid?"),
        (["--hybrid", "score"], 2, "Missing argument"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
@pytest.mark.parametrize("opener", [Searcher], ids=["once"])
def test_a_misspelt_fusion_is_one_line(
    with_words: Run, args: list[str], code: int, expected: str
) -> None:
    ended = with_words(*args)

    assert ended.returncode == code
    assert expected in ended.stderr
