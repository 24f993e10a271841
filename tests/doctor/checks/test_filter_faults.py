"""Faults of filter paths."""

from typing import Any

import pytest
from bson import Decimal128, Regex, Timestamp

from leafsearch.doctor import Severity
from leaftests.doctor import Examined, Foreign, Ingested, change, complaints

P, W = Severity.PROBLEM, Severity.WARNING


def test_a_filter_path_that_no_document_has(ingested: Ingested, examined: Examined) -> None:
    ingested(filters=["metadata.evn"])

    findings = examined()

    assert complaints(findings) == {"filter paths": P}
    assert "no document has metadata.evn" in findings["filter paths"].message
    assert "did you mean metadata.even?" in findings["filter paths"].message


def test_a_path_that_a_sample_has_missed_is_looked_for(
    foreign: Foreign, examined: Examined
) -> None:
    foreign(filters=["rare", "never"]).update_one({"_id": 59}, {"$set": {"rare": 1}})

    findings = examined(path="v", sample=1)

    assert findings["filter paths"].level is P
    assert "no document has never," in findings["filter paths"].message


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Decimal128("9.99"), "a Decimal128"),
        ({"from": 1}, "a sub-document"),
        (Regex("a"), "a Regex"),
        (Timestamp(1, 1), "a Timestamp"),
        (b"\x01", "a bytes"),
        ("x" * 9000, "truncates after 8,191 characters"),
    ],
)
def test_values_that_cannot_be_filtered(
    foreign: Foreign, examined: Examined, value: Any, message: str
) -> None:
    collection = foreign(filters=["n"])
    change(collection, "n", value)

    findings = examined(path="v")

    assert findings["filter values"].level is P
    assert message in findings["filter values"].message


def test_values_of_two_types(foreign: Foreign, examined: Examined) -> None:
    change(foreign(filters=["n"]), "n", "2020")

    findings = examined(path="v")

    assert findings["filter values"].level is W
    assert "n holds number and string" in findings["filter values"].message


def test_null_and_lists_are_not_faults(foreign: Foreign, examined: Examined) -> None:
    collection = foreign(filters=["n"])
    change(collection, "n", [1, 2.5, [3]])
    collection.update_one({"_id": 40}, {"$set": {"n": None}})

    assert examined(path="v")["filter values"].level is Severity.OK
