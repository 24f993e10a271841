"""`leaf-search`: a search, or one of its sub-commands."""

from typing import ClassVar

from leafsearch.config.cli import SubCommands, new_program
from leafsearch.config.command import leave_at_once


class LeafSearch(SubCommands):
    default = "query"
    modules: ClassVar = {
        "query": "leafsearch.search.command:app",
        "collections": "leafsearch.search.catalog_command:app",
        "students": "leafsearch.search.students.command:app",
        "doctor": "leafsearch.doctor.command:app",
        "eval": "leafsearch.evaluation.command:app",
    }


app = new_program(LeafSearch)


def main() -> None:
    try:
        app()
    except SystemExit as end:
        leave_at_once(end)
