"""Retries for transient MongoDB errors: a restart, an election, a lost connection.

Only for idempotent work, as all of ours is: upserts by id.
"""

import logging
import time
from collections.abc import Callable
from threading import Lock
from typing import TypeVar

from pymongo.errors import BulkWriteError, ConnectionFailure, OperationFailure, PyMongoError
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    wait_exponential_jitter,
)

from leafsearch.vectors.encoders.base import RETRY_SECONDS
from leafsearch.vectors.errors import DeploymentError
from leafsearch.vectors.store.connection import short

log = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_TRANSIENT_LABELS = ("RetryableWriteError", "TransientTransactionError")
# Interruptions, elections and time-outs, among them a majority that did not answer in time, load
# shedding, cursors (43, 237) that a restart has closed, and new members that lack cluster-time keys
# (211).
_TRANSIENT_CODES = {6, 7, 43, 64, 89, 91, 112, 189, 202, 211, 237, 262, 290, 365, 402, 462, 489}
_TRANSIENT_CODES |= {9001, 10107, 11600, 11601, 11602, 13388, 13435, 13436}

Done = TypeVar("Done")


class RetryBudget:
    """How long a run retries during one outage, shared by all of its threads.

    An outage begins when the first thread meets it, and is logged once.
    """

    def __init__(self, seconds: float = RETRY_SECONDS) -> None:
        self.seconds = seconds
        self._lock = Lock()
        self._since: float | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether the last request failed and is being retried."""
        return self._since is not None

    def cap(self, seconds: float) -> None:
        """Retry for at most `seconds`; a thread that waits already notices at its next try.

        Takes no lock, because signal handlers call it.
        """
        self.seconds = min(self.seconds, seconds)

    def reset(self) -> None:
        """Forget how long the run has waited so far."""
        self._since = None

    def run(self, work: Callable[[], Done]) -> Done:
        """Return the result of `work`; raise its error if that is permanent or the time is up."""
        trying = Retrying(
            retry=retry_if_exception(is_transient),
            wait=wait_exponential_jitter(multiplier=_FIRST_PAUSE, max=_LONGEST_PAUSE),
            after=self._failed,
            stop=self._is_over,
            reraise=True,
        )
        done = trying(work)
        self._answered()
        return done

    def _failed(self, state: RetryCallState) -> None:
        error = _cause(state.outcome.exception() if state.outcome else None)
        with self._lock:
            is_new, self._since = self._since is None, self._since or time.monotonic()
        level = logging.WARNING if is_new and self.seconds else logging.DEBUG
        until = f" for up to {self.seconds:g} s" if self.seconds < float("inf") else ""
        log.log(level, "MongoDB is unreachable (%s); retrying%s", short(error), until)

    def _is_over(self, state: RetryCallState) -> bool:
        # Measure this thread's own wait too: others may have reset the outage in between.
        now = time.monotonic()
        waited = now - (self._since or now)
        return max(waited, state.seconds_since_start or 0.0) >= self.seconds

    def _answered(self) -> None:
        if self._since is None:
            return
        with self._lock:
            since, self._since = self._since, None
        if since is not None:
            log.warning("MongoDB is back after %.1f s", time.monotonic() - since)


def is_transient(error: BaseException) -> bool:
    """Whether the same request may succeed a moment later."""
    error = _cause(error)
    if isinstance(error, BulkWriteError):
        details = error.details
        refusals = [*details.get("writeErrors", ()), *details.get("writeConcernErrors", ())]
        return any(refusal.get("code") in _TRANSIENT_CODES for refusal in refusals)
    if isinstance(error, ConnectionFailure):
        return True
    if isinstance(error, PyMongoError) and any(map(error.has_error_label, _TRANSIENT_LABELS)):
        return True
    return isinstance(error, OperationFailure) and error.code in _TRANSIENT_CODES


def is_unanswered(error: BaseException) -> bool:
    """Whether MongoDB is unreachable or did not answer in time."""
    cause = _cause(error)
    return is_transient(cause) or (isinstance(cause, PyMongoError) and cause.timeout)


def _cause(error: BaseException | None) -> BaseException:
    """The driver's error behind ours."""
    if isinstance(error, DeploymentError) and error.__cause__ is not None:
        return error.__cause__
    return error or DeploymentError("no answer")
