"""`leaf-search doctor`: checks a deployment, a collection and its index, and writes nothing."""

from search.doctor.case import Order
from search.doctor.findings import Finding, Level
from search.doctor.run import examine

__all__ = ["Finding", "Level", "Order", "examine"]
