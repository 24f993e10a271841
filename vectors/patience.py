"""Trying again what may go well in a moment: a restart, an election, a lost connection.

Only for work that may be done twice with the same outcome, as all of ours is: upserts by id.
"""

import logging
from collections.abc import Callable
from typing import TypeVar

from pymongo.errors import BulkWriteError, ConnectionFailure, OperationFailure, PyMongoError
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_delay,
    wait_exponential_jitter,
)

from vectors.errors import DeploymentError

log = logging.getLogger(__name__)

SECONDS = 120.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_PASSING_LABELS = ("RetryableWriteError", "TransientTransactionError")
# Interruptions, elections and time-outs by the server's own names, among them a majority that did
# not answer in time, and load shedding.
_PASSING_CODES = {6, 7, 64, 89, 91, 112, 189, 202, 262, 290, 365, 402, 462, 489}
_PASSING_CODES |= {9001, 10107, 11600, 11601, 11602, 13388, 13435, 13436}

Done = TypeVar("Done")


def patiently(work: Callable[[], Done], *, seconds: float = SECONDS) -> Done:
    """The result of `work`; what it raises when `seconds` are over, or what no patience mends."""
    trying = Retrying(
        retry=retry_if_exception(may_pass),
        wait=wait_exponential_jitter(multiplier=_FIRST_PAUSE, max=_LONGEST_PAUSE),
        stop=stop_after_delay(seconds),
        before_sleep=_tell,
        reraise=True,
    )
    return trying(work)


def may_pass(error: BaseException) -> bool:
    """Whether the same request may go well a moment later."""
    if isinstance(error, DeploymentError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, BulkWriteError):
        details = error.details
        refusals = [*details.get("writeErrors", ()), *details.get("writeConcernErrors", ())]
        return any(refusal.get("code") in _PASSING_CODES for refusal in refusals)
    if isinstance(error, ConnectionFailure):
        return True
    if isinstance(error, PyMongoError) and any(map(error.has_error_label, _PASSING_LABELS)):
        return True
    return isinstance(error, OperationFailure) and error.code in _PASSING_CODES


def _tell(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    pause = state.next_action.sleep if state.next_action else 0.0
    log.warning("MongoDB did not do it (%s); trying again in %.1f s", type(error).__name__, pause)
