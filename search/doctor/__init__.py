"""`leaf-search doctor`: checks a deployment, a collection and its index, and writes nothing."""

from leafsearch.search.doctor.case import Order
from leafsearch.search.doctor.findings import Finding, Level
from leafsearch.search.doctor.run import examine

__all__ = ["Finding", "Level", "Order", "examine"]
