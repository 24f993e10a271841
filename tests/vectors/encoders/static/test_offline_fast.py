"""The static student that comes with the project."""

import zlib
from pathlib import Path

import numpy as np

from leafsearch.vectors import load_student
from leafsearch.vectors.encoders import PROBES, find_model

NAME = "package:leafsearch/vectors/offline_fast"


def test_it_shares_the_space_of_the_offline_student() -> None:
    fast, other = load_student(NAME), load_student("package:leafsearch/vectors/offline")

    cosines = fast.encode_queries(PROBES) @ other.encode_queries(PROBES).T

    assert (fast.dimensions, fast.query_prompt) == (384, "")
    assert np.diagonal(cosines).mean() > 0.7
    assert (cosines.argmax(axis=1) == np.arange(len(PROBES))).all()


def test_it_takes_less_than_12_mb_of_the_wheel() -> None:
    files = [file for file in Path(find_model(NAME).location).rglob("*") if file.is_file()]

    assert sum(len(zlib.compress(file.read_bytes())) for file in files) < 12e6
