"""The rotation before truncation: what it keeps, and that it is the same everywhere."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from leafsearch.vectors import Codec, CodecError
from leafsearch.vectors.encoders import unit_rows
from leafsearch.vectors.forms import fit_rotation, fit_transform


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
        "from leafsearch.vectors.forms import fit_rotation, fit_transform;"
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


def test_vectors_of_another_length_are_an_error() -> None:
    codec = Codec(16, "float32", transform=fit_transform(spread(300, 64), 16))

    with pytest.raises(CodecError, match=r"expected \(n, 64\)"):
        codec.compress(spread(3, 48))


def test_one_rotation_gives_the_transforms_of_every_number_of_dimensions() -> None:
    rows = spread(600, 64)
    rotation = fit_rotation(rows)

    assert rotation.transform(24).checksum == fit_transform(rows, 24).checksum
    assert rotation.transform(24).kept < rotation.transform(48).kept <= 1
    rotated = rotation.transform(24).rotate(rows)
    np.testing.assert_allclose(rotation.rotate(rows, 24), rotated, atol=1e-6)
