"""The one error that leaves the engine, and the one that travels inside it.

Refused(message)                       parsing says what is wrong
CommandError(code, code_name, message) ... and its caller says which code the server gives it
"""

PLAN_EXECUTOR = "PlanExecutor error during aggregation :: caused by :: "


class CommandError(Exception):
    """A command is answered with {ok: 0, code, codeName, errmsg}."""

    def __init__(self, code: int, code_name: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.code_name = code_name
        self.message = message


class Refused(Exception):
    """What was given is not allowed; the message has the dotted path and what is allowed."""


def definition_error(message: str) -> CommandError:
    """The search server gives no code for these; clients see 8."""
    return CommandError(8, "UnknownError", message)


def search_error(message: str) -> CommandError:
    """As a client sees what the search process refuses: wrapped by mongod, code 8."""
    return CommandError(8, "UnknownError", PLAN_EXECUTOR + message)
