"""Trying again what may go well in a moment: a restart, an election, a lost connection.

Only for work that may be done twice with the same outcome, as all of ours is: upserts by id.
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

from leafsearch.vectors.errors import DeploymentError
from leafsearch.vectors.store.connection import short

log = logging.getLogger(__name__)

SECONDS = 120.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_PASSING_LABELS = ("RetryableWriteError", "TransientTransactionError")
# Interruptions, elections and time-outs by the server's own names, among them a majority that did
# not answer in time, load shedding, cursors (43, 237) that a restart has taken along, and members
# of a young set without keys (211) for what others have signed.
_PASSING_CODES = {6, 7, 43, 64, 89, 91, 112, 189, 202, 211, 237, 262, 290, 365, 402, 462, 489}
_PASSING_CODES |= {9001, 10107, 11600, 11601, 11602, 13388, 13435, 13436}

Done = TypeVar("Done")


class Patience:
    """How long all that one run asks of MongoDB, in whatever thread, is asked again.

    An outage counts from where the first of them met it, and is told once.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self._lock = Lock()
        self._since: float | None = None

    @property
    def is_tried(self) -> bool:
        """Whether MongoDB did not do what it was asked last."""
        return self._since is not None

    def hurry(self, seconds: float) -> None:
        """Wait no longer than this from now on; what waits already learns of it with its next try.

        A signal may call it, so it takes no lock.
        """
        self.seconds = min(self.seconds, seconds)

    def renew(self) -> None:
        """What was waited for before does not count any more."""
        self._since = None

    def ask(self, work: Callable[[], Done]) -> Done:
        """The result of `work`; what it raises when time is over, or what no patience mends."""
        trying = Retrying(
            retry=retry_if_exception(may_pass),
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
        log.log(level, "MongoDB is away (%s); trying again%s", short(error), until)

    def _is_over(self, state: RetryCallState) -> bool:
        """By the time of all, or where others get their answers meanwhile, by that of this one."""
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


def patiently(work: Callable[[], Done], *, seconds: float = SECONDS) -> Done:
    """See Patience.ask, for something that is asked by itself."""
    return Patience(seconds).ask(work)


def may_pass(error: BaseException) -> bool:
    """Whether the same request may go well a moment later."""
    error = _cause(error)
    if isinstance(error, BulkWriteError):
        details = error.details
        refusals = [*details.get("writeErrors", ()), *details.get("writeConcernErrors", ())]
        return any(refusal.get("code") in _PASSING_CODES for refusal in refusals)
    if isinstance(error, ConnectionFailure):
        return True
    if isinstance(error, PyMongoError) and any(map(error.has_error_label, _PASSING_LABELS)):
        return True
    return isinstance(error, OperationFailure) and error.code in _PASSING_CODES


def is_unanswered(error: BaseException) -> bool:
    """Whether MongoDB is away, or did not answer in the time that it had."""
    cause = _cause(error)
    return may_pass(cause) or (isinstance(cause, PyMongoError) and cause.timeout)


def _cause(error: BaseException | None) -> BaseException:
    """What the driver said."""
    if isinstance(error, DeploymentError) and error.__cause__ is not None:
        return error.__cause__
    return error or DeploymentError("no answer")
