"""What can be wrong with what an evaluation is given."""

from leafsearch.config import LeafError


class EvalError(LeafError):
    """A test collection that cannot be used, or a collection that cannot be measured."""
