"""Measures whether student and teacher share a space, before the first vector is written.

Two models that were not trained together give a mean cosine near 0 for the same text, even with
equal dimensions. A student that ignores its input can still sit in the middle of an anisotropic
teacher's space, so a text must also be clearly closer to its own teacher vector than to others'.
"""

from dataclasses import dataclass

import numpy as np
from bson.binary import Binary, BinaryVectorDtype

from leafsearch.vectors.encoders.base import Encoder
from leafsearch.vectors.errors import AlignmentError, ModelError

MINIMUM_COSINE = 0.5
MINIMUM_MARGIN = 0.2
_SAME_COSINE = 0.99  # a quantised copy of a model reaches it, another model never does

PROBES = (
    "What is the capital of France?",
    "how do vaccines protect against infectious disease",
    "The central bank raised interest rates by a quarter of a percent.",
    "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.",
    "open a file and read it line by line",
    "cheap flights from Berlin to Lisbon in May",
    "The orchestra tuned its instruments before the concert began.",
    "error: connection refused while connecting to the database",
    "best way to roast vegetables in the oven",
    "The treaty was signed by all twelve member states in 1992.",
    "A black hole's gravity is so strong that nothing escapes from it.",
    "why does my dog bark at night",
)


@dataclass(frozen=True)
class Alignment:
    """`cosine`: mean cosine of student and teacher for the same text, over probe texts.

    `margin`: its distance above the mean cosine for different texts.
    """

    cosine: float
    margin: float

    @property
    def is_enough(self) -> bool:
        return self.cosine >= MINIMUM_COSINE and self.margin >= MINIMUM_MARGIN


def check_alignment(teacher: Encoder, student: Encoder) -> Alignment:
    """Raises AlignmentError unless the student's queries lie in the teacher's space."""
    if teacher.dimensions != student.dimensions:
        raise AlignmentError(
            f"student {student.name} gives {student.dimensions} dimensions, teacher {teacher.name} "
            f"{teacher.dimensions}; expected the same. Use a student distilled from this teacher"
        )
    found = measure_alignment(teacher, student)
    if not found.is_enough:
        raise AlignmentError(
            f"student {student.name} does not share the space of teacher {teacher.name}: mean "
            f"cosine {found.cosine:.2f}, {found.margin:.2f} above other texts; expected at least "
            f"{MINIMUM_COSINE} and {MINIMUM_MARGIN}. Use a student distilled from this teacher"
        )
    return found


def encode_probe(student: Encoder) -> Binary:
    """The student's vector of one probe text, by which `require_probe` recognises it later.

    A revision is only a name.
    """
    row = student.encode_queries(PROBES[:1])[0]
    return Binary.from_vector(row, BinaryVectorDtype.FLOAT32)


def require_probe(student: Encoder, probe: Binary) -> None:
    """Raises ModelError if the student is not the one that `probe` was taken from."""
    wanted = np.array(probe.as_vector().data, dtype=np.float32)
    found = student.encode_queries(PROBES[:1])[0]
    cosine = float(found @ wanted) if found.shape == wanted.shape else 0.0
    if cosine < _SAME_COSINE:
        raise ModelError(
            f"student {student.name} gives other vectors here than at ingest (cosine {cosine:.3f} "
            f"for one text; expected {_SAME_COSINE} or more). Install or serve the original model"
        )


def measure_alignment(teacher: Encoder, student: Encoder) -> Alignment:
    """Both must have equal dimensions."""
    if (teacher.name, teacher.revision) == (student.name, student.revision):
        return Alignment(1.0, 1.0)
    cosines = student.encode_queries(PROBES) @ teacher.encode_queries(PROBES).T
    same = float(np.mean(np.diagonal(cosines)))
    others = float(np.mean(cosines[~np.eye(len(PROBES), dtype=bool)]))
    return Alignment(round(same, 4), round(same - others, 4))
