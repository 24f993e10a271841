"""One colour for each family of formats, and what a page of either shade asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from leafsearch.evaluation.formats import Format


@dataclass(frozen=True)
class Theme:
    page: str
    text: str
    grid: str
    colours: Mapping[str, str]

    def colour(self, family: str) -> str:
        return self.colours[family]

    def settings(self) -> dict[str, Any]:
        """Of matplotlib."""
        return {
            "figure.facecolor": self.page,
            "axes.facecolor": self.page,
            "savefig.facecolor": self.page,
            "axes.edgecolor": self.grid,
            "grid.color": self.grid,
            **dict.fromkeys(("text.color", "axes.labelcolor", "axes.titlecolor"), self.text),
            **dict.fromkeys(("xtick.color", "ytick.color"), self.text),
        }


THEMES = {
    "light": Theme(
        page="#ffffff",
        text="#24292f",
        grid="#d8dee4",
        colours={
            "alone": "#57606a",
            "float32": "#0550ae",
            "server": "#8250df",
            "int8": "#116329",
            "binary": "#bc4c00",
        },
    ),
    "dark": Theme(
        page="#0d1117",
        text="#e6edf3",
        grid="#30363d",
        colours={
            "alone": "#9ea7b3",
            "float32": "#6cb6ff",
            "server": "#d2a8ff",
            "int8": "#57d364",
            "binary": "#ffa657",
        },
    ),
}


def family(format: Format) -> str:
    if format.alone:
        return "alone"
    if format.storage.quantization != "none":
        return "server"
    return format.storage.precision
