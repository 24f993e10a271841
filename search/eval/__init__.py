"""`leaf-search eval`: what each storage format keeps, on a test collection or without judgments."""

from leafsearch.search.eval.collection import TestCollection, read_collection
from leafsearch.search.eval.encoding import Model
from leafsearch.search.eval.errors import EvalError
from leafsearch.search.eval.judged import evaluate
from leafsearch.search.eval.report import Curve, Judged, Report, Step, SweepReport
from leafsearch.search.eval.sweep import Asked, sweep

__all__ = [
    "Asked",
    "Curve",
    "EvalError",
    "Judged",
    "Model",
    "Report",
    "Step",
    "SweepReport",
    "TestCollection",
    "evaluate",
    "read_collection",
    "sweep",
]
