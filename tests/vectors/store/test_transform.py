"""The rotation before truncation: what it keeps, that it is the same everywhere, how it is kept."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from pymongo.database import Database

from leafsearch.vectors import Codec, CodecError, ManifestError
from leafsearch.vectors.encoders import unit_rows
from leafsearch.vectors.store import choose_transform, fit_transform, measure_kept
from leafsearch.vectors.store import transform as module
from leafsearch.vectors.store.transform import TRANSFORMS, read_transforms, write_transform


def spread(count: int, dimensions: int, seed: int = 0, *, rank: int = 24) -> Any:
    """Unit rows near a subspace that stands askew to the dimensions, as embeddings do."""
    random = np.random.default_rng(seed)
    basis = np.random.default_rng(99).normal(size=(rank, dimensions))
    strength = 1.5 ** -np.arange(rank)[:, None]
    rows = random.normal(size=(count, rank)) @ (basis * strength)
    return unit_rows((rows + 0.01 * random.normal(size=rows.shape)).astype(np.float32))


def test_the_matrix_is_orthogonal_and_its_signs_are_fixed() -> None:
    rows = spread(600, 64)
    one, other = fit_transform(rows, 32), fit_transform(rows[::-1], 32)

    np.testing.assert_allclose(one.weights, other.weights, atol=1e-6)
    assert one.matrix.shape == (64, 32)
    np.testing.assert_allclose(one.matrix.T @ one.matrix, np.eye(32), atol=1e-5)
    np.testing.assert_allclose(one.matrix, other.matrix, atol=1e-6)
    assert (one.sample, one.kind) == (600, "pca")
    assert 0.99 < one.kept <= 1


def test_queries_get_weights_that_rise_where_documents_spread_little() -> None:
    transform = fit_transform(spread(600, 64), 16)
    rows = spread(5, 64, seed=3)

    assert (np.diff(transform.weights) >= 0).all()
    assert transform.weights.mean() == pytest.approx(1)
    np.testing.assert_allclose(
        Codec(16, "float32", transform=transform).project_queries(rows),
        unit_rows(transform.rotate(rows) * transform.weights),
        atol=1e-6,
    )


def test_rotated_vectors_keep_cosines_in_fewer_dimensions() -> None:
    rows, unseen = spread(600, 64), spread(200, 64, seed=1)
    whole = unseen @ unseen.T

    plain = Codec(16, "float32").project(unseen)
    rotated = Codec(16, "float32", transform=fit_transform(rows, 16)).project(unseen)

    def error(rows: Any) -> float:
        return float(np.abs(rows @ rows.T - whole).mean())

    assert error(rotated) < error(plain) / 4


@pytest.mark.parametrize("precision", ["float32", "int8", "binary"])
def test_the_codec_rotates_before_it_truncates(precision: Any) -> None:
    rows = spread(300, 64)
    transform = fit_transform(rows, 16)
    codec = Codec.calibrate(16, precision, rows, transform)

    expected = unit_rows(rows.astype(np.float32) @ transform.matrix)
    if precision == "binary":
        expected = unit_rows(np.where(expected > 0, 1, -1).astype(np.float32))

    np.testing.assert_allclose(codec.expand(codec.compress(rows)), expected, atol=0.02)


def test_directions_that_a_small_sample_does_not_show_keep_their_order() -> None:
    one, other = fit_transform(spread(10, 64), 32), fit_transform(spread(10, 64), 32)

    assert one.checksum == other.checksum
    np.testing.assert_allclose(one.matrix.T @ one.matrix, np.eye(32), atol=1e-5)


def test_three_kernels_of_openblas_agree() -> None:
    """One stored sample gives the same matrix, to 1e-6, on other processors' kernels."""
    code = (
        "import sys, numpy as np; sys.path.insert(0, sys.argv[1]);"
        "from leafsearch.vectors.store import fit_transform;"
        "rows = np.random.default_rng(3).normal(size=(500, 96)) @ np.diag(1.05 ** -np.arange(96));"
        "rows /= np.linalg.norm(rows, axis=1, keepdims=True);"
        "np.save(sys.argv[2], fit_transform(rows.astype(np.float32), 48).matrix)"
    )
    found = []
    for core in ("Haswell", "SkylakeX", "Zen"):
        file = f"{core}.npy"
        environ = {"OPENBLAS_CORETYPE": core, "PATH": "/usr/bin:/bin"}
        subprocess.run([sys.executable, "-c", code, ".", file], check=True, env=environ)
        found.append(np.load(file))

    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], atol=1e-6)


def test_auto_leaves_a_teacher_alone_that_was_trained_for_truncation() -> None:
    """Its first dimensions already hold most of each vector."""
    falling = 1.3 ** -np.arange(64)
    rows = np.random.default_rng(5).normal(size=(800, 64)) * falling
    matryoshka = unit_rows(rows.astype(np.float32))

    choice = choose_transform(matryoshka, 24, "auto")

    assert choice.transform is None
    assert choice.plain is not None
    assert choice.plain > 0.95
    assert choice.reason.startswith("transform none: 24 of 64 dimensions keep")


def test_auto_rotates_what_truncation_would_spoil_and_says_why() -> None:
    rows = spread(800, 64)
    plain, rotated = measure_kept(rows, 16)

    choice = choose_transform(rows, 16, "auto")

    assert rotated > plain + 0.1
    assert choice.transform is not None
    assert choice.reason == (
        f"transform pca: 16 of 64 dimensions keep {rotated:.1%} of the 10 nearest neighbours "
        f"with it and {plain:.1%} without (800 chunks)"
    )


def test_few_vectors_decide_nothing_but_an_order_is_followed() -> None:
    rows = spread(100, 64)

    assert choose_transform(rows, 16, "auto").transform is None
    assert "100 chunks are too few" in choose_transform(rows, 16, "auto").reason
    assert choose_transform(rows, 16, "pca").transform is not None
    assert choose_transform(rows, 64, "pca").transform is None


def test_vectors_of_another_length_are_an_error() -> None:
    codec = Codec(16, "float32", transform=fit_transform(spread(300, 64), 16))

    with pytest.raises(CodecError, match=r"expected \(n, 64\)"):
        codec.compress(spread(3, 48))


def test_the_matrix_is_kept_once_and_read_by_who_needs_it(database: Database[Any]) -> None:
    transform = fit_transform(spread(300, 64, seed=7), 16)
    write_transform(database, transform)
    write_transform(database, transform)
    assert database[TRANSFORMS].count_documents({}) == 1

    module._fitted.pop(transform.checksum)
    with pytest.raises(CodecError, match="was not read"):
        transform.rotate(spread(3, 64))
    read_transforms(database, [None, transform], "c")

    assert transform.rotate(spread(3, 64)).shape == (3, 16)


@pytest.mark.parametrize(("damage", "said"), [("drop", "is missing"), ("cut", "is damaged")])
def test_a_matrix_that_is_gone_or_damaged_is_an_error(
    database: Database[Any], damage: str, said: str
) -> None:
    transform = fit_transform(spread(300, 64, seed=8), 16)
    write_transform(database, transform)
    if damage == "drop":
        database[TRANSFORMS].drop()
    else:
        database[TRANSFORMS].update_one({}, {"$set": {"data": b"123"}})
    module._fitted.pop(transform.checksum)

    with pytest.raises(ManifestError, match=said):
        read_transforms(database, [transform], "articles")
