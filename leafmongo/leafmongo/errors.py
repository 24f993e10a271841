"""The error of a deployment, for the person who runs it."""


class LocalError(Exception):
    """The deployment cannot be started, reached or stopped; the message says what to do."""
