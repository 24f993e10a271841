"""Progress on stderr: a line that updates on a terminal, else a line every 30 seconds."""

import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from leafsearch.config import command
from leafsearch.ingest import Rejected

if TYPE_CHECKING:
    from leafsearch.distill.train.loop import TrainingStatus  # imports torch

_SECONDS = 30.0


say = partial(command.say, "leaf-distill")


class Progress:
    def __init__(self) -> None:
        self._moving = sys.stderr.isatty()
        self._said = -_SECONDS
        self._started: tuple[float, int] | None = None

    def show_encoded(self, done: int, of: int) -> None:
        now = time.monotonic()
        if self._started is None:
            self._started = now, done
        since, first = self._started
        left = (now - since) / max(1, done - first) * (of - done) if done > first else None
        self._show(f"teacher: {done:,} of {of:,} texts{_left(left)}", done == of)

    def show_step(self, state: "TrainingStatus") -> None:
        text = (
            f"step {state.step:,} of {state.steps:,}, loss {state.loss:.4f}, cosine "
            f"{state.cosine:.4f}{_left(state.seconds_left)}"
        )
        self._show(text, state.step == state.steps)

    def show_rejected(self, record: Rejected) -> None:
        say(f"{record.place}: skipped: {record.reason}")

    def _show(self, text: str, is_last: bool) -> None:
        if self._moving:
            end = "\n" if is_last else ""
            print(f"\r\033[Kleaf-distill: {text}", end=end, file=sys.stderr, flush=True)
        elif is_last or time.monotonic() - self._said > _SECONDS:
            # The first line of the next stage is shown at once.
            self._said = -_SECONDS if is_last else time.monotonic()
            say(text)


def _left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds >= 90:
        return f", {seconds / 60:.0f} min left"
    return f", {seconds:.0f} s left"
