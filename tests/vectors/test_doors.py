"""The doors of the package: all their names resolve, and importing them stays cheap."""

import subprocess
import sys
from importlib import import_module

import pytest

DOORS = ("leafsearch.vectors", "leafsearch.vectors.encoders", "leafsearch.vectors.store")
HEAVY = ("torch", "transformers", "sentence_transformers", "onnxruntime", "huggingface_hub")


@pytest.mark.parametrize("door", DOORS)
def test_every_exported_name_resolves(door: str) -> None:
    module = import_module(door)

    assert [name for name in module.__all__ if not hasattr(module, name)] == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = import_module("leafsearch.vectors.encoders").nothing


@pytest.mark.parametrize("door", DOORS)
def test_a_door_imports_nothing_heavy(door: str) -> None:
    program = f"import sys, {door}; print([m for m in {HEAVY} if m in sys.modules])"
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert ended.stdout.strip() == "[]"
