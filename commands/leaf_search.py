"""`leaf-search`: a search, or one of its sub-commands.

Each is imported when it is asked for: a search does not wait for what only the doctor needs.
"""

import sys


def main() -> None:
    """`leaf-search query WORD...` searches whatever the words are, also for `doctor`."""
    verb = sys.argv[1] if len(sys.argv) > 1 else ""
    if verb == "doctor":
        from leafsearch.doctor.command import main as doctor

        doctor(sys.argv[2:])
    elif verb == "eval":
        from leafsearch.evaluation.command import main as evaluate

        evaluate(sys.argv[2:])
    else:
        from leafsearch.search.command import main as search

        if verb == "query" and len(sys.argv) > 2:
            del sys.argv[1]
        search()
