"""What tests of `leaf-search eval` have in common."""

import os
from collections.abc import Callable
from pathlib import Path

from leaftests.paths import ROOT

# Read here, because the tests themselves run without the variables of the project.
DATA = Path(os.environ.get("LEAF_TEST_DATA") or ROOT.parent / "shared/data").absolute()


Written = Callable[..., Path]


def silent(line: str) -> None: ...
