"""Tables by the command: types that filters find, and what is said of them."""

import json
from pathlib import Path
from typing import Any

from pymongo.database import Database

from leaftests.ingest.types import Run

CRATES = """id,text,price,sku
a,Apple crate,1.50,007
b,Pear crate,2.75,12
c,Plum crate,3.00,13
d,Quince crate,12,14
e,Fig crate,0.90,15
"""


def test_a_filter_on_a_price_finds_every_crate(leaf_ingest: Run, database: Database[Any]) -> None:
    Path("prices.csv").write_text(CRATES)

    ended = leaf_ingest("prices.csv", "--filter-field", "metadata.price", "--json")

    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["column_types"] == {
        "prices.csv": {"price": "float", "sku": "text"}
    }
    assert (
        "leaf-ingest: prices.csv: price is float, sku is text (007 in line 2 has a leading zero)"
        in ended.stderr
    )
    below = database["chunks"].find({"metadata.price": {"$lt": 5}})
    assert sorted(chunk["document"] for chunk in below) == ["a", "b", "c", "e"]


def test_the_types_are_said_by_a_dry_run_too(leaf_ingest: Run) -> None:
    Path("prices.csv").write_text(CRATES)

    ended = leaf_ingest("prices.csv", "--dry-run", "--json", "--column-type", "sku=integer")

    assert json.loads(ended.stdout)["column_types"] == {"prices.csv": {"price": "float"}}
    assert "prices.csv: price is float\n" in ended.stderr


def test_a_type_that_is_asked_for_rejects_what_does_not_fit(
    leaf_ingest: Run, database: Database[Any]
) -> None:
    Path("prices.csv").write_text(f"{CRATES}f,Nut crate,free,16\n")

    ended = leaf_ingest("prices.csv", "--column-type", "price=float")

    assert ended.returncode == 3
    reason = "field 'price': 'free' does not fit --column-type price=float (prices.csv:7)"
    assert reason in ended.stderr
    assert database["chunks"].count_documents({"metadata.price": {"$type": "double"}}) == 5


def test_a_type_without_a_name_is_wrong_usage(leaf_ingest: Run) -> None:
    Path("prices.csv").write_text(CRATES)

    ended = leaf_ingest("prices.csv", "--column-type", "price=flaot")

    assert ended.returncode == 2
    assert "did you mean float?" in ended.stderr


def test_texts_of_several_fields_are_one_text(leaf_ingest: Run, database: Database[Any]) -> None:
    record = {"id": "a", "title": "Apples", "doc": {"body": "in crates"}}
    Path("a.jsonl").write_text(json.dumps(record))

    ended = leaf_ingest("a.jsonl", "--text-field", "title", "--text-field", "doc.body")

    assert ended.returncode == 0, ended.stderr
    stored = database["chunks"].find_one() or {}
    assert (stored["text"], stored["metadata"]) == ("Apples\n\nin crates", {"title": "Apples"})


def test_a_filter_on_a_column_with_a_dot_in_its_name_is_warned_of(leaf_ingest: Run) -> None:
    Path("iris.csv").write_text("id,text,Sepal.Length\na,Iris one,5.1\nb,Iris two,4.9\n")

    ended = leaf_ingest("iris.csv", "--filter-field", "metadata.Sepal.Length")

    assert ended.returncode == 0
    assert ended.stderr.count("--filter-field metadata.Sepal.Length: no filter finds") == 1
    assert "such as Sepal_Length" in ended.stderr
