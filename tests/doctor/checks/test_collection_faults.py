"""Faults of the collection and of its manifest."""

from typing import Any

import pytest
from pymongo.database import Database

from leafsearch.doctor import Severity
from leafsearch.vectors.store import MANIFESTS
from leaftests.doctor import Examined, Foreign, Ingested, complaints

P, S = Severity.PROBLEM, Severity.SKIPPED


def test_a_misspelt_collection(ingested: Ingested, examined: Examined) -> None:
    ingested().database["articles"].insert_one({})

    findings = examined(where={"collection": "artikles"})

    assert findings["collection"].level is P
    assert (
        "did you mean `leaf-search doctor --collection articles" in findings["collection"].message
    )
    assert findings["vectors"].level is S


def test_an_empty_collection(database: Database[Any], examined: Examined) -> None:
    database.create_collection("c")

    findings = examined()

    assert findings["collection"].level is P
    assert "is empty" in findings["collection"].message


def test_a_time_series(database: Database[Any], examined: Examined) -> None:
    database.create_collection("c", timeseries={"timeField": "at"})

    assert "time series" in examined()["collection"].message


def test_no_manifest(foreign: Foreign, examined: Examined) -> None:
    foreign()

    findings = examined()

    assert findings["manifest"].level is P
    assert "leaf-search doctor --path v" in findings["manifest"].message
    # The only vector index there says what to look at.
    assert findings["vectors"].level is Severity.OK
    assert findings["recall"].level is Severity.OK


@pytest.mark.parametrize("change", [{"$set": {"format": 99}}, {"$unset": {"teacher": 1}}])
def test_a_manifest_that_cannot_be_read(
    ingested: Ingested, examined: Examined, change: dict[str, Any]
) -> None:
    ingested().database[MANIFESTS].update_one({"_id": "c"}, change)

    findings = examined()

    assert findings["manifest"].level is P
    assert findings["vectors"].level is Severity.OK


def test_a_manifest_without_the_scale_of_its_int8(ingested: Ingested, examined: Examined) -> None:
    ingested(precision="int8").database[MANIFESTS].update_one(
        {"_id": "c"}, {"$set": {"scale": None}}
    )

    findings = examined()

    assert complaints(findings) == {"manifest": P}
    assert "without a scale" in findings["manifest"].message


def test_settings_that_contradict_the_manifest(ingested: Ingested, examined: Examined) -> None:
    ingested()

    findings = examined(environ={"LEAF_PRESET": "leaf-ir"})

    assert complaints(findings) == {"manifest": P}
    assert "hashing:128, requested" in findings["manifest"].message


def test_a_manifest_is_about_one_path_only(ingested: Ingested, examined: Examined) -> None:
    collection = ingested()
    collection.update_many({}, [{"$set": {"other": "$embedding"}}])

    findings = examined(path="other")

    assert findings["manifest"].level is S
    assert "it describes 'embedding'" in findings["manifest"].message
    assert findings["index"].level is P
