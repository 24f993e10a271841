"""What can be wrong with what a distillation is given."""

from leafsearch.config import LeafError


class DistillError(LeafError):
    """A teacher, texts or a folder that cannot be distilled from or into."""
