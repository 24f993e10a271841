"""`leaf-search doctor`: checks a deployment, a collection and its index, and writes nothing."""

from leafsearch.doctor.context import Examination
from leafsearch.doctor.findings import Finding, Severity
from leafsearch.doctor.run import examine

__all__ = ["Examination", "Finding", "Severity", "examine"]
