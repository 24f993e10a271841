"""Text of others in messages and on terminals."""

import subprocess
import sys
from typing import Any

import pytest

from leafsearch.config import ConfigError, LeafError
from leafsearch.config.text import (
    LONGEST,
    counted,
    escape_surrogates,
    is_unicode,
    one_line,
    quote,
    quote_all,
    shorten,
    strip_controls,
)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_a_long_message_keeps_its_beginning_its_end_and_its_length() -> None:
    message = f"filter {'x' * 10**6}: too long; give a shorter one"

    short = shorten(message)

    assert len(short) == LONGEST
    assert short.startswith("filter xxx")
    assert short.endswith("give a shorter one")
    assert "1,000,037 characters" in short
    assert shorten("short") == "short"


@pytest.mark.parametrize(
    "value",
    ["x" * 10**6, b"x" * 10**6, ["x" * 1000] * 1000, {"a": "x" * 10**6}, nested(10**5), 10**5000],
    ids=["text", "bytes", "list", "object", "depth", "digits"],
)
def test_no_value_makes_a_quotation_long(value: object) -> None:
    assert 0 < len(quote(value)) <= 320


def test_short_values_are_quoted_as_python_writes_them() -> None:
    assert [quote(v) for v in ("a'b", 1.5, None, [1], "\x1b")] == [
        '"a\'b"',
        "1.5",
        "None",
        "[1]",
        "'\\x1b'",
    ]


def test_many_names_are_shortened_to_the_first_ones_and_their_number() -> None:
    assert quote_all(["a", "b"]) == "a, b"
    assert quote_all(f"c{n}" for n in range(1000)).endswith("c7, ... (1000 in all)")


def test_no_error_of_ours_is_as_long_as_what_it_quotes() -> None:
    assert len(str(LeafError("x" * 10**6))) == LONGEST
    error = ConfigError(["x" * 10**6, "short"])
    assert len(str(error)) <= LONGEST
    assert error.problems[1] == "short"


def test_a_terminal_gets_no_control_characters() -> None:
    controls = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0)]))

    shown = strip_controls(f"a{controls}b")

    assert {sign for sign in shown if not sign.isprintable()} == {"\t", "\n"}
    assert strip_controls("é\u200dא") == "é\u200dא"
    assert one_line("a\r\n  b\x1b[2J\tc") == "a b\ufffd[2J c"


def test_bytes_of_a_name_that_are_not_utf8_are_written_out() -> None:
    name = b"caf\xe9".decode(errors="surrogateescape")

    assert (is_unicode(name), is_unicode("café")) == (False, True)
    assert escape_surrogates(name) == "caf\\xe9"
    assert escape_surrogates("café") == "café"


def test_a_usage_error_quotes_no_more_than_a_line_holds() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "leafsearch.search", "q", "-k", "x" * 100_000, "\x1b[2J"],
        capture_output=True,
        text=True,
    )

    assert ended.returncode == 2
    assert len(ended.stderr) < 3000


def test_one_thing_is_counted_in_the_singular() -> None:
    counts = [counted(number, "chunk") for number in (0, 1, 2000)]

    assert counts == ["0 chunks", "1 chunk", "2,000 chunks"]
    assert counted(2, "query", "queries") == "2 queries"
