"""Patterns of --include and --exclude: what they match, which are invalid, and what they cost."""

import pytest

from leafsearch.ingest.sources.files.patterns import FilePatterns


@pytest.mark.parametrize(
    ("pattern", "matches", "leaves"),
    [
        ("a", "a a/b b/a b/a/c", "ab b/ab"),
        ("/a", "a a/b", "b/a"),
        ("a/", "a/b b/a/c", "a b/a"),
        ("a/b", "a/b a/b/c", "b/a/b a/c"),
        ("a/*", "a/b a/b/c", "a b"),
        ("a/**", "a/b a/b/c", "a b/a/b"),
        ("**/a", "a b/a b/c/a", "ab"),
        ("a/**/b", "a/b a/c/b a/c/d/b", "b a/c"),
        ("**", "a a/b", ""),
        ("*", "a .a a/b", ""),
        ("*.txt", "a.txt .txt b/a.txt", "a.txtx"),
        ("a*b*c", "abc aXbXc abbc abcbc", "abcb acb"),
        ("*a*a", "aa aba baaa", "a ab"),
        ("a***b", "ab aXb", "a/b"),
        ("?", "a é", "ab"),
        ("a?c", "abc", "ac a/c"),
        ("[a-c]x", "ax cx", "dx"),
        ("[!a-c]x", "dx", "ax x"),
        ("[^a-c]x", "dx", "ax"),
        ("[]a]", "] a", "b"),
        ("[a-]", "a -", "b"),
        (r"[\]]", "]", "\\"),
        ("[[:digit:]_]", "7 _", "a"),
        ("[a", "[a", "a"),
        (r"\*", "*", "a"),
        (r"\#a", "#a", "a"),
        (r"\!a", "!a", "a"),
        (r"a\ ", "a\\s", ""),
        ("a  ", "a", "a\\s"),
        ("a.c", "a.c", "abc"),
        ("(a|b)+", "(a|b)+", "a"),
    ],
)
def test_a_pattern_matches_what_it_matches_in_a_gitignore(
    pattern: str, matches: str, leaves: str
) -> None:
    choice = FilePatterns([pattern])

    assert list(choice.problems()) == []
    for path in matches.replace("\\s", " ").split(" ") if "\\s" not in matches else ["a "]:
        assert choice.takes(path), path
    for path in leaves.split() if "\\s" not in leaves else ["a "]:
        assert not choice.takes(path), path


def test_the_last_pattern_that_matches_decides() -> None:
    choice = FilePatterns(exclude=["*.md", "!keep.md", "drafts/", "!drafts/b.md"])

    assert [p for p in ("a.md", "keep.md", "drafts/a.txt", "drafts/b.md") if choice.takes(p)] == [
        "keep.md",
        "drafts/b.md",
    ]
    assert (choice.enters("drafts"), choice.enters("other")) == (False, True)
    assert not FilePatterns(["*.md", "!drafts/"]).takes("other.txt")
    assert FilePatterns(["*.md", "!drafts/"]).takes(
        "drafts/a.md"
    )  # as git: the file's own match counts


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("[z-a].txt", "the range z-a ends before it begins"),
        ("[[:foo:]]", "[:foo:] is not a character class"),
        ("a\\", "expected a character after the last backslash"),
        ("a//b", "expected names between the slashes"),
        ("*" * 5000, "expected at most 4096 characters"),
        (b"\xe9".decode(errors="surrogateescape"), "expected a pattern in UTF-8"),
        ("", "expected a pattern, like"),
        ("  ", "expected a pattern, like"),
        ("# a", "expected a pattern, like"),
        ("!", "expected a pattern, like"),
        ("/", "expected a pattern, like"),
    ],
)
def test_an_invalid_pattern_is_reported_with_the_reason(pattern: str, reason: str) -> None:
    for choice in (FilePatterns([pattern]), FilePatterns(exclude=[pattern])):
        (problem,) = choice.problems()
        assert reason in problem
        assert len(problem) < 300


@pytest.mark.parametrize(
    "pattern",
    ["*a" * 40 + "*b", "*a" * 2000 + "b", "?*" * 2000, "[ab]*" * 800 + "c", "**/*a*a*a*a*a*a*a*b"],
)
def test_no_pattern_backtracks(pattern: str) -> None:
    """With backtracking, the first of these needs longer than anybody has for a single name."""
    choice = FilePatterns([pattern])

    for path in ("a" * 255, "/".join(["a" * 255] * 15)):
        assert not choice.takes(path)
