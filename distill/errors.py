"""The errors of a distillation."""

from leafsearch.config import LeafError


class DistillError(LeafError):
    """The teacher, the texts or a folder cannot be used for a distillation."""
