"""What a program writes in some format is read with its text, its id and its types."""

import csv
import io
import json
import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from leafsearch.ingest import Document, Fields, Rejected
from leafsearch.ingest.sources.readers import read_csv, read_json, read_json_lines, read_parquet

bounded = settings(max_examples=100, deadline=None)
# Half of a surrogate pair is no Unicode, and no field's name may hold NUL or stand for another.
words = st.text(st.characters(codec="utf-8"), max_size=20)
texts = st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip)
ids = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=50)
names = st.text(
    st.characters(codec="utf-8", exclude_characters="\0$"), min_size=1, max_size=9
).filter(lambda name: name not in ("id", "_id", "text", "title", "metadata"))
whole = st.integers(-(2**63), 2**63 - 1)
fractions = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | whole | fractions | words
values = st.recursive(
    scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(names, v, max_size=3), max_leaves=6
)
records = st.fixed_dictionaries(
    {"id": ids, "text": texts}, optional={"title": words.filter(str.strip)}
).flatmap(lambda r: st.dictionaries(names, values, max_size=5).map(lambda m: {**m, **r}))


def same(read: list[Document | Rejected], record: dict[str, Any], **expected: Any) -> bool:
    (found,) = read
    assert isinstance(found, Document), found
    wanted = {k: v for k, v in record.items() if k not in ("id", "text")}
    assert (found.id, found.text) == (record["id"], record["text"])
    assert found.metadata == {**wanted, **expected}
    assert typed(found.metadata) == typed({**wanted, **expected})
    return True


def typed(value: Any) -> Any:
    """1, 1.0 and True are equal, and are not the same."""
    if isinstance(value, dict):
        return {name: typed(item) for name, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    return type(value).__name__


@given(records, st.booleans())
@bounded
def test_json_lines_come_back(record: dict[str, Any], ascii: bool) -> None:
    raw = json.dumps(record, ensure_ascii=ascii).encode()

    assert same(list(read_json_lines(io.BytesIO(raw), "f", Fields())), record)


@given(records, st.sampled_from([None, 2]))
@bounded
def test_json_comes_back(record: dict[str, Any], indent: int | None) -> None:
    raw = json.dumps([record], indent=indent).encode()

    assert same(list(read_json(io.BytesIO(raw), "f", Fields())), record)


@given(records)
@bounded
def test_parquet_comes_back(record: dict[str, Any]) -> None:
    """The value that is stored for a list or an object that Parquet has no single type for."""
    pa = pytest.importorskip("pyarrow", reason="needs the extra [formats]")
    pq = pytest.importorskip("pyarrow.parquet")
    try:
        table = pa.Table.from_pylist([record])
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return
    raw = io.BytesIO()
    try:
        pq.write_table(table, raw)
    except pa.ArrowNotImplementedError:  # an object without fields
        return
    stored = table.to_pylist()[0]
    expected = {k: v for k, v in stored.items() if v is not None}

    assert same(list(read_parquet(raw, "f", Fields())), expected)


@given(ids.filter(str.strip), texts, words, whole, fractions)
@bounded
def test_csv_comes_back(id: str, text: str, word: str, number: int, fraction: float) -> None:
    record = {"id": id, "text": text, "word": f"x{word}", "number": number, "fraction": fraction}
    written = io.StringIO()
    writer = csv.DictWriter(written, record)
    writer.writeheader()
    writer.writerow(record)
    raw = written.getvalue().encode()

    (found,) = read_csv(io.BytesIO(raw), "f", Fields(), ",")

    assert isinstance(found, Document), found
    assert (found.id, found.text, found.metadata["word"]) == (id, text, record["word"])
    assert found.metadata["number"] == (number if -(2**63) <= number < 2**63 else str(number))
    if abs(fraction) < 2**63:
        assert found.metadata["fraction"] == fraction


def stored(value: Any) -> Any:
    """With integers beyond 64 bits as text."""
    if isinstance(value, dict):
        return {name: stored(each) for name, each in value.items()}
    if isinstance(value, list):
        return [stored(each) for each in value]
    return str(value) if type(value) is int and not -(2**63) <= value < 2**63 else value


@given(
    st.recursive(
        scalars | st.integers() | st.floats() | st.text(),
        lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(), v, max_size=3),
        max_leaves=8,
    )
)
@example(2**63)
@example(2**64)
@example(-(2**63) - 1)
@example([2**64])
@example({"deep": [{"n": 2**64}]})
@example(1e308)
@example(math.inf)
@example(math.nan)
@example("\ud800")
@example("18446744073709551616")
@bounded
def test_both_parsers_agree(value: Any) -> None:
    """Than Python's own, which every record is read by that the faster one cannot be sure of."""
    line = json.dumps({"text": "T", "id": "i", "x": value})

    (found,) = read_json_lines(io.BytesIO(line.encode()), "f", Fields())

    parsed = json.loads(line)["x"]
    if isinstance(found, Rejected):
        assert not json.dumps(value).isascii() or "$" in line or unstorable(parsed), found
    elif "$" not in line:
        assert repr(found.metadata) == repr({"x": stored(parsed)})


def unstorable(value: Any) -> bool:
    import bson

    try:
        bson.encode({"x": value})
    except Exception:
        return True
    return False


@pytest.mark.parametrize("lines", [b'{"text":"T","a":1,"a":2}', b'{"text":"x","text":"T","a":2}'])
def test_the_last_of_repeated_fields_counts(lines: bytes) -> None:
    (found,) = read_json_lines(io.BytesIO(lines), "f", Fields())

    assert isinstance(found, Document)
    assert (found.text, found.metadata) == ("T", {"a": 2})
