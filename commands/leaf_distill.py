"""`leaf-distill`."""

from leafsearch.distill.command import app


def main() -> None:
    app()
