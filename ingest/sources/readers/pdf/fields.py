"""Text that stands on a PDF page without being part of it: in form fields and text boxes."""

import ctypes
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

from leafsearch.ingest.sources.readers.pdf.lines import Row, Segment, read_rows
from leafsearch.ingest.sources.readers.pdf.rules import read_rules

_LONGEST = 2**16  # bytes of a value


def add_values(rows: list[Row], pdf: Any, page: Any, number: int) -> list[Row]:
    """Put the values of the fields of page `number`, from 0, beside their labels in its rows."""
    from pypdfium2 import raw

    fields = list(_annotations(page))
    if not fields:
        return rows
    unseen = [_value(field) for field in fields if not raw.FPDFAnnot_GetAP(field, 0, None, 0) > 2]
    for field in fields:
        raw.FPDFPage_CloseAnnot(field)
    raw.FPDFPage_Flatten(page, raw.FLAT_NORMALDISPLAY)  # in memory, never in the file
    with closing(pdf[number]) as filled, closing(filled.get_textpage()) as shown:
        drawn = list(read_rows(shown, read_rules(filled)))
    own = {row.text for row in rows}
    values = [s for row in drawn if row.text not in own for s in row.segments]
    return list(_placed(rows, [*values, *(value for value in unseen if value)]))


def _placed(rows: list[Row], values: list[Segment]) -> Iterator[Row]:
    """Each value behind the nearest text on its left; values without any at the end."""
    labelled = [(row, list(row.segments)) for row in rows]
    alone = []
    for value in values:
        labels = [
            (value.left - label.left, segments, at)
            for _, segments in labelled
            for at, label in enumerate(segments)
            if label.is_level_with(value) and label.left < value.left
        ]
        if labels:
            _, segments, at = min(labels, key=lambda found: found[0])
            text = f"{segments[at].text} {value.text}"
            segments[at] = replace(segments[at], text=text, right=value.right)
        else:
            alone.append(Row([value]))
    yield from (Row(segments, row.is_ruled) for row, segments in labelled)
    yield from alone


def _annotations(page: Any) -> Iterator[Any]:
    from pypdfium2 import raw

    for at in range(raw.FPDFPage_GetAnnotCount(page)):
        annotation = raw.FPDFPage_GetAnnot(page, at)
        if _kind(annotation) in _kinds():
            yield annotation
        else:
            raw.FPDFPage_CloseAnnot(annotation)


def _kind(annotation: Any) -> int:
    from pypdfium2 import raw

    return int(raw.FPDFAnnot_GetSubtype(annotation))


def _kinds() -> tuple[int, ...]:
    from pypdfium2 import raw

    return raw.FPDF_ANNOT_WIDGET, raw.FPDF_ANNOT_FREETEXT


def _value(annotation: Any) -> Segment | None:
    """The text of a field that its program left to viewers to draw."""
    from pypdfium2 import raw

    box = raw.FS_RECTF()
    text = _string(annotation, b"Contents") or _string(annotation, b"V")
    if not text or not raw.FPDFAnnot_GetRect(annotation, ctypes.byref(box)):
        return None
    return Segment(text, box.left, box.right, box.bottom, box.top)


def _string(annotation: Any, key: bytes) -> str:
    from pypdfium2 import raw

    size = min(raw.FPDFAnnot_GetStringValue(annotation, key, None, 0), _LONGEST)
    if size <= 2:
        return ""
    buffer = (ctypes.c_ushort * (size // 2))()
    raw.FPDFAnnot_GetStringValue(annotation, key, buffer, size)
    text = bytes(buffer).decode("utf-16-le", "replace").partition("\0")[0]
    return " ".join(text.split())
