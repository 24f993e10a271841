"""`leaf-distill`."""

from leafsearch.config.command import let_idle_threads_sleep
from leafsearch.distill.command import app


def main() -> None:
    let_idle_threads_sleep()
    app()
