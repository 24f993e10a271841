"""What goes wrong with a local deployment, in words for the person who started it."""


class LocalError(Exception):
    """The deployment cannot be started, reached or stopped; says what to do about it."""
