"""`leaf-search doctor`: checks a deployment, a collection and its index, and writes nothing."""

from leafsearch.doctor.context import Order
from leafsearch.doctor.findings import Finding, Level
from leafsearch.doctor.run import examine

__all__ = ["Finding", "Level", "Order", "examine"]
