"""`leaf-distill`."""

from leafsearch.distill.command import main

__all__ = ["main"]
