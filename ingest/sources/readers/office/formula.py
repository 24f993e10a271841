"""Formulas of office programs as one line that can be read and searched: (a)/(b), x^2, sqrt(y)."""

from typing import Any

from leafsearch.ingest.sources.readers.office.package import attribute, child, children, local


def formula_text(element: Any) -> str:
    """A formula of Word or PowerPoint (OMML), or MathML."""
    return " ".join("".join(_parts(element)).split())


def _parts(element: Any) -> list[str]:
    name = local(element)
    writer = _WRITERS.get(name)
    if writer:
        return [writer(element)]
    if name.endswith("Pr") or name == "annotation":
        return []
    own = [element.text or ""] if name in ("t", "mi", "mn", "mo", "mtext", "ms") else []
    return own + [part for inner in element for part in _parts(inner)]


def _said(element: Any, name: str) -> str:
    found = child(element, name)
    return formula_text(found) if found is not None else ""


def _grouped(text: str) -> str:
    return text if len(text) < 2 or text.isalnum() else f"({text})"


def _fraction(element: Any) -> str:
    return f"{_grouped(_said(element, 'num'))}/{_grouped(_said(element, 'den'))}"


def _scripts(element: Any) -> str:
    below, above = _said(element, "sub"), _said(element, "sup")
    text = _said(element, "e")
    return (
        text + (f"_{_grouped(below)}" if below else "") + (f"^{_grouped(above)}" if above else "")
    )


def _root(element: Any) -> str:
    degree = _said(element, "deg")
    return f"{f'root_{degree}' if degree else 'sqrt'}({_said(element, 'e')})"


def _nary(element: Any) -> str:
    properties = child(element, "naryPr")
    sign = child(properties, "chr") if properties is not None else None
    shown = attribute(sign, "val") if sign is not None else "∫"
    below, above = _said(element, "sub"), _said(element, "sup")
    limits = (f"_{_grouped(below)}" if below else "") + (f"^{_grouped(above)}" if above else "")
    return f"{shown}{limits} {_said(element, 'e')}"


def _delimited(element: Any) -> str:
    inner = ", ".join(formula_text(part) for part in children(element, "e"))
    return f"({inner})"


def _rows(element: Any) -> str:
    rows = [", ".join(formula_text(cell) for cell in row) for row in element if len(row)]
    return f"[{'; '.join(rows)}]"


def _mathml(sign: str) -> Any:
    def write(element: Any) -> str:
        parts = [_grouped(formula_text(inner)) for inner in element]
        return sign.join(parts)

    return write


def _mathml_both(element: Any) -> str:
    base, below, above = [*(formula_text(inner) for inner in element), "", "", ""][:3]
    return f"{base}_{_grouped(below)}^{_grouped(above)}"


def _mathml_root(element: Any) -> str:
    return f"sqrt({' '.join(formula_text(inner) for inner in element)})"


_WRITERS: dict[str, Any] = {
    "f": _fraction,
    "sSup": _scripts,
    "sSub": _scripts,
    "sSubSup": _scripts,
    "rad": _root,
    "nary": _nary,
    "d": _delimited,
    "m": _rows,
    "mfrac": _mathml("/"),
    "msup": _mathml("^"),
    "msub": _mathml("_"),
    "mover": _mathml("^"),
    "munder": _mathml("_"),
    "msubsup": _mathml_both,
    "munderover": _mathml_both,
    "msqrt": _mathml_root,
}
