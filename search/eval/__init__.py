"""`leaf-search eval`: what each storage format keeps, on a test collection or without judgments."""

from search.eval.collection import TestCollection, read_collection
from search.eval.encoding import Model
from search.eval.errors import EvalError
from search.eval.judged import evaluate
from search.eval.report import Curve, Judged, Report, Step, SweepReport
from search.eval.sweep import Asked, sweep

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
