"""`leaf-search eval`: what each storage format keeps, on a test collection or without judgments."""

from leafsearch.evaluation.cached_rows import CachedModel
from leafsearch.evaluation.collection import TestCollection, read_collection
from leafsearch.evaluation.errors import EvalError
from leafsearch.evaluation.formats import Format, Role, formats
from leafsearch.evaluation.judged import evaluate
from leafsearch.evaluation.report import Curve, Judged, Report, Step, SweepReport
from leafsearch.evaluation.sweep import SweepOptions, sweep

__all__ = [
    "CachedModel",
    "Curve",
    "EvalError",
    "Format",
    "Judged",
    "Report",
    "Role",
    "Step",
    "SweepOptions",
    "SweepReport",
    "TestCollection",
    "evaluate",
    "formats",
    "read_collection",
    "sweep",
]
