"""SIGINT and SIGTERM end a run between two pieces of work, or at once while it only waits."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

from leafsearch.vectors.store import RetryBudget

_LEAVING = 2.0  # seconds for which MongoDB is asked again after a signal
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequested(BaseException):
    """A wait has to end. Not an Exception, so that no handler of errors swallows it."""


class Stop:
    """The first SIGINT or SIGTERM requests a graceful stop, and the retry budgets of the run no
    longer wait for an unreachable MongoDB; the second one interrupts at once."""

    def __init__(self, *budgets: RetryBudget) -> None:
        self.is_set = False
        self._budgets = budgets
        self._is_waiting: Callable[[], bool] = lambda: False
        self._before: dict[signal.Signals, Any] = {}

    @contextmanager
    def waiting(self, really: Callable[[], bool] = lambda: True) -> Iterator[None]:
        """Inside, a signal raises StopRequested at once, if `really()` says that this is a wait."""
        self._is_waiting = really
        try:
            if self.is_set and really():
                raise StopRequested
            yield
        finally:
            self._is_waiting = lambda: False

    def __enter__(self) -> Self:
        """A SIGINT that the shell lets this process ignore, as in the background, stays ignored."""
        heard = [
            each
            for each in _SIGNALS
            if each is signal.SIGTERM or signal.getsignal(each) is not signal.SIG_IGN
        ]
        self._before = {each: signal.signal(each, self._hear) for each in heard}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for each, before in self._before.items():
            signal.signal(each, before)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.is_set:
            raise KeyboardInterrupt
        self.is_set = True
        for budget in self._budgets:
            budget.cap(_LEAVING)
        if self._is_waiting():
            raise StopRequested
