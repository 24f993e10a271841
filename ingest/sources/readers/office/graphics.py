"""Charts and diagrams in office documents: the numbers of a chart as a table, a diagram's words."""

from typing import Any

from leafsearch.ingest.sources.readers.markup.markdown import MarkdownText, clean
from leafsearch.ingest.sources.readers.office.package import (
    OfficePackage,
    attribute,
    child,
    children,
    descendants,
    local,
)


def write_graphics(
    frame: Any, package: OfficePackage, relations: dict[str, tuple[str, str]], out: MarkdownText
) -> None:
    """Write what the charts and diagrams say to which a drawing refers."""
    for reference in descendants(frame, "chart"):
        root = package.optional_xml(relations.get(attribute(reference, "id"), ("", ""))[1])
        if root is not None:
            _write_chart(root, out)
    for reference in descendants(frame, "relIds"):
        root = package.optional_xml(relations.get(attribute(reference, "dm"), ("", ""))[1])
        for point in descendants(root, "pt") if root is not None else ():
            for body in children(point, "t"):
                lines = (_words(paragraph) for paragraph in descendants(body, "p"))
                out.item(clean("\n".join(lines)))


def _write_chart(root: Any, out: MarkdownText) -> None:
    for title in descendants(root, "title"):
        out.paragraph(_words(title))
    names = [""]
    rows: dict[str, list[str]] = {}
    for series in descendants(root, "ser"):
        names.append(" ".join(_points(child(series, "tx"))))
        labels = _points(child(series, "cat")) or _points(child(series, "xVal"))
        figures = _points(child(series, "val")) or _points(child(series, "yVal"))
        for at, figure in enumerate(figures):
            label = labels[at] if at < len(labels) else str(at + 1)
            row = rows.setdefault(label, [label])
            row.extend([""] * (len(names) - 1 - len(row)))
            row.append(figure)
    if rows:
        out.table([names, *rows.values()])


def _words(element: Any) -> str:
    return " ".join(text.text or "" for text in descendants(element, "t"))


def _points(data: Any) -> list[str]:
    """The labels or figures of a series."""
    if data is None:
        return []
    return [found.text or "" for found in data.iter() if local(found) == "v"]
