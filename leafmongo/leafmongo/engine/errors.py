"""The error that leaves the engine, and the one that is raised inside it.

Refused(message)                       a parser says what is wrong
CommandError(code, code_name, message) its caller adds the code that the server gives
"""

PLAN_EXECUTOR = "PlanExecutor error during aggregation :: caused by :: "


class CommandError(Exception):
    """The command is answered with {ok: 0, code, codeName, errmsg}."""

    def __init__(self, code: int, code_name: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.code_name = code_name
        self.message = message


class Refused(Exception):
    """A value is not allowed; the message has its dotted path and what is allowed."""


def definition_error(message: str) -> CommandError:
    """An invalid index definition. The search server gives no code; clients see 8."""
    return CommandError(8, "UnknownError", message)


def search_error(message: str) -> CommandError:
    """A refusal of the search process as clients see it: wrapped by mongod, code 8."""
    return CommandError(8, "UnknownError", PLAN_EXECUTOR + message)
