"""`python -m published_pair`."""

from leafsearch.config.command import let_idle_threads_sleep
from published_pair.command import app

let_idle_threads_sleep()
app(prog_name="scripts/measure-published-pair")
