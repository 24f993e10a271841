"""The body of a LaTeX document, node by node, as Markdown."""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from leafsearch.ingest.sources.readers.markup.latex_source import LatexSource
from leafsearch.ingest.sources.readers.markup.markdown import MarkdownText, clean

_SECTIONS = {
    **{"part": 1, "chapter": 1, "section": 2, "subsection": 3, "subsubsection": 4},
    **{"paragraph": 5, "subparagraph": 6, "frametitle": 3, "framesubtitle": 4},
}
_SILENT = {
    *("label", "index", "usepackage", "documentclass", "setlength", "setcounter", "pagestyle"),
    *("thispagestyle", "vspace", "hspace", "includegraphics", "bibliographystyle", "newcommand"),
    *("renewcommand", "providecommand", "DeclareRobustCommand", "newenvironment", "addtocounter"),
    *("pagenumbering", "addcontentsline", "hypersetup", "definecolor", "color", "graphicspath"),
    *("newtheorem", "DeclareMathOperator", "RequirePackage", "cline", "addtolength", "newcounter"),
    *("nocite", "selectlanguage", "usetheme", "usecolortheme", "theoremstyle", "geometry", "rule"),
    *("cmidrule", "title", "author", "date", "subtitle", "institute", "phantom", "vphantom"),
    *("hphantom", "linespread", "setstretch", "captionsetup", "lstset", "bibliography", "newpage"),
    *("leafskip", "def", "let", "markboth", "markright", "settowidth", "enlargethispage"),
}
_DROPPED = {  # arguments before the text
    **dict.fromkeys(("href", "textcolor", "colorbox", "hypertarget", "hyperlink", "parbox"), 1),
    **dict.fromkeys(("raisebox", "foreignlanguage", "scalebox", "rotatebox", "adjustbox"), 1),
    **dict.fromkeys(("resizebox", "multicolumn", "multirow", "fontsize", "fcolorbox"), 2),
}
_ENVIRONMENT_DROPPED = {"minipage", "multicols", "wrapfigure", "adjustbox", "tcolorbox", "column"}
_ENVIRONMENT_DROPPED |= {"thebibliography", "spacing", "figure", "table", "subfigure", "landscape"}
_REFERENCES = re.compile(r"\w*cite\w*\Z|(?!h(?:yper)?ref\Z)\w*ref\Z", re.IGNORECASE)
_MATH = re.compile(
    r"(?:equation|align|gather|multline|eqnarray|displaymath|alignat|flalign|dmath)\*?"
)
_TABLES = {"tabular", "longtable", "tabularx", "tabulary", "supertabular", "tabu", "tabular*"}
_LISTS = {"itemize", "enumerate", "description", "compactitem", "compactenum", "thebibliography"}
_INCLUDES = {"input", "include", "subfile", "import", "lstinputlisting", "InputIfFileExists"}
_OPTION = re.compile(r"\A\s*\[[^\]\n]*\]")
_STRAY = re.compile(r"\}|\\end\s*\{[^{}]*\}|\$\$?|\\[])]|\\[a-zA-Z]+|\\.|\]")
_NOTED = re.compile(r"\[\^\d+\]")
_BLANK = re.compile(r"\n[ \t]*\n\s*")
_WORDS = {
    **{"LaTeX": "LaTeX", "TeX": "TeX", "newline": "\n", "\\": "\n", "linebreak": "\n", " ": " "},
    **{"textbackslash": "\\", "today": "", "quad": " ", "qquad": " ", ",": " ", ";": " ", ":": " "},
    **{"textless": "<", "textgreater": ">", "textasciitilde": "~", "textasciicircum": "^"},
    **{"textbar": "|", "textunderscore": "_", "textdollar": "$", "and": ", "},
    **{"!": "", "/": "", "-": "", "@": "", "textquotesingle": "'", "hfill": " ", "cr": "\n"},
}
_DEEPEST = 20  # definitions inside definitions


class LatexWalk:
    def __init__(self, source: LatexSource) -> None:
        self._source = source
        self.out = MarkdownText()
        self._text: list[str] = []
        self._lists: list[tuple[bool, int]] = []  # whether numbered, and items so far
        self._label = ""
        self._notes: list[str] = []
        self._noted = 0
        self._expanded = 0

    def read(self) -> None:
        if title := self._said("title"):
            self.out.heading(1, _NOTED.sub("", title))
            if author := self._said("author"):
                self.out.paragraph(author.replace(" ,", ","))
        self._walk(parse(self._source.body))
        self._end()

    def _said(self, name: str) -> str:
        return self._flat(parse(self._source.said.get(name, "")))

    def _walk(self, nodes: Sequence[Any]) -> None:
        at = 0
        while at < len(nodes):
            at = self._node(nodes, at)

    def _node(self, nodes: Sequence[Any], at: int) -> int:
        """Read a node, and those after it that are its arguments; returns where to go on."""
        node = nodes[at]
        match type(node).__name__:
            case "LatexCharsNode":
                self._chars(node.chars)
            case "LatexGroupNode":
                self._walk(node.nodelist)
            case "LatexMathNode":
                self._formula(node.latex_verbatim(), display=node.displaytype == "display")
            case "LatexSpecialsNode":
                self._chars(_special(node.specials_chars))
            case "LatexMacroNode":
                return self._macro(node, nodes, at)
            case "LatexEnvironmentNode":
                self._environment(node)
        return at + 1

    def _chars(self, text: str) -> None:
        first, *rest = _BLANK.split(text)
        self._text.append(first)
        for part in rest:
            self._end()
            self._text.append(part)

    def _formula(self, text: str, *, display: bool) -> None:
        if not display:
            inner = text[2:-2] if text.startswith("\\(") else text.strip("$")
            self._text.append(f"${inner.strip()}$")
            return
        inner = text[2:-2] if text.startswith(("\\[", "$$")) else text
        self._end()
        self.out.block(f"$$\n{clean(inner)}\n$$")

    def _macro(self, node: Any, nodes: Sequence[Any], at: int) -> int:
        name = node.macroname.rstrip("*")
        if name in _SECTIONS:
            given, at = arguments(node, nodes, at, 1)
            self._end()
            level = _SECTIONS[name]
            self.out.heading(level, self._flat(given[-1:]))
        elif name in ("leafcode", "leafverb"):
            given, at = arguments(node, nodes, at, 1)
            self._code(name, given)
        elif name in self._source.definitions:
            return self._expand(name, node, nodes, at)
        elif name in _SILENT:
            return self._skipped(node, nodes, at)
        elif name in ("footnote", "footnotetext", "thanks", "marginpar"):
            given, at = arguments(node, nodes, at, 1)
            self._noted += 1
            self._text.append(f"[^{self._noted}]")
            self._notes.append(f"[^{self._noted}]: {self._flat(given[-1:])}")
        elif name == "item":
            self._end()
            label, at = self._item_label(node, nodes, at)
            self._begin_item(label)
        elif name == "bibitem":
            given, at = arguments(node, nodes, at, 1)
            self._end()
            self._begin_item(f"[{self._flat(given[-1:])}]")
        elif name in _INCLUDES:
            given, at = arguments(node, nodes, at, 1)
            self.out.notes.append(f"it includes {self._flat(given[-1:])}, which is not read")
        elif _REFERENCES.match(name):
            given, at = arguments(node, nodes, at, 1)
            self._text.append(f"[{self._flat(given[-1:])}]")
        elif name in _DROPPED:
            given, at = arguments(node, nodes, at, _DROPPED[name] + 1)
            self._walk(given[_DROPPED[name] :])
        elif name in ("caption", "captionof"):
            given, at = arguments(node, nodes, at, 1)
            self._end()
            self.out.paragraph(self._flat(given[-1:]))
        elif name == "par":
            self._end()
        else:
            self._other(node)
        return at + 1

    def _other(self, node: Any) -> None:
        name = node.macroname
        if name in _WORDS:
            self._text.append(_WORDS[name])
        elif (sign := symbol(node)) is not None:
            self._text.append(sign)
        elif node.nodeargd is not None:
            for argument in node.nodeargd.argnlist or ():
                if argument is not None:
                    self._walk([argument])

    def _skipped(self, node: Any, nodes: Sequence[Any], at: int) -> int:
        """The last node of a command with all that may be its arguments."""
        if node.nodeargd is not None and any(node.nodeargd.argnlist or ()):
            return at + 1
        while at + 1 < len(nodes) and (
            type(nodes[at + 1]).__name__ == "LatexGroupNode"
            or (node.macroname in ("def", "let") and hasattr(nodes[at + 1], "macroname"))
        ):
            at += 1
        return at + 1

    def _expand(self, name: str, node: Any, nodes: Sequence[Any], at: int) -> int:
        definition = self._source.definitions[name]
        given, at = arguments(node, nodes, at, definition.arguments)
        body = definition.body
        for number, argument in enumerate(given, 1):
            raw = argument.latex_verbatim()
            body = body.replace(f"#{number}", raw)
        if self._expanded < _DEEPEST and len(body) < 100_000:
            self._expanded += 1
            self._walk(parse(body))
            self._expanded -= 1
        else:
            self._walk(given)
        return at + 1

    def _code(self, name: str, given: Sequence[Any]) -> None:
        said = self._flat(given)
        if not said.isdecimal() or int(said) >= len(self._source.codes):
            return
        text, language = self._source.codes[int(said)]
        if name == "leafverb":
            self._text.append(text)
        else:
            self._end()
            self.out.code(text, language)

    def _environment(self, node: Any) -> None:
        name = node.environmentname
        nodes = list(node.nodelist or ())
        if _MATH.fullmatch(name):
            self._formula(node.latex_verbatim(), display=True)
        elif name in _TABLES:
            self._end()
            self.out.table(self._rows(nodes))
        elif name in _LISTS:
            self._end()
            self._lists.append((name.endswith("enum") or name.startswith("enum"), 0))
            self._walk(_without_arguments(nodes) if name == "thebibliography" else nodes)
            self._end()
            self._lists.pop()
        elif name in _ENVIRONMENT_DROPPED:
            self._end()
            self._walk(_without_arguments(nodes))
            self._end()
        else:
            self._end()
            for argument in (node.nodeargd.argnlist if node.nodeargd else ()) or ():
                if argument is not None:  # such as the name of a theorem
                    self._text.append(f"{self._flat([argument])} ")
            self._walk(nodes)
            self._end()

    def _rows(self, nodes: Sequence[Any]) -> list[list[str]]:
        cells: list[list[list[Any]]] = [[[]]]
        for node in _without_arguments(nodes):
            name = getattr(node, "macroname", "")
            if name in ("\\", "tabularnewline", "cr"):
                cells.append([[]])
            elif getattr(node, "specials_chars", "") == "&":
                cells[-1].append([])
            elif name in ("toprule", "midrule", "bottomrule", "hline", "endhead", "endfirsthead"):
                continue
            elif name not in ("endfoot", "endlastfoot"):
                cells[-1][-1].append(node)
        return [[self._flat(cell) for cell in row] for row in cells]

    def _item_label(self, node: Any, nodes: Sequence[Any], at: int) -> tuple[str, int]:
        given = [
            a for a in (node.nodeargd.argnlist if node.nodeargd else ()) or () if a is not None
        ]
        return (self._flat(given) if given else ""), at

    def _begin_item(self, label: str) -> None:
        numbered, count = self._lists.pop() if self._lists else (False, 0)
        self._lists.append((numbered, count + 1))
        if label:
            self._label = "-"
            self._text.append(f"{label} ")
        else:
            self._label = f"{count + 1}." if numbered else "-"

    def _end(self) -> None:
        """Write what was read of a paragraph."""
        text, label = clean("".join(self._text)), self._label
        self._text, self._label = [], ""
        if text and label:
            self.out.item(text, max(0, len(self._lists) - 1), label)
        elif text:
            self.out.paragraph(text)
        elif label:
            self._label = label  # the text of the item comes yet
        for note in self._notes if text else ():
            self.out.block(note)
        self._notes = [] if text else self._notes

    def _flat(self, nodes: Sequence[Any]) -> str:
        """Nodes as one line."""
        inner = LatexWalk(self._source)
        inner._expanded = self._expanded + 1
        inner._noted = self._noted
        inner._walk(nodes)
        self._noted = inner._noted
        self._notes.extend(inner._notes)
        inner._notes = []
        inner._end()
        return " ".join(inner.out.text.split())


def parse(text: str) -> Sequence[Any]:
    """All nodes of a text. What the parser cannot read, such as a brace too many, is skipped: it
    would leave out the rest."""
    from pylatexenc.latexwalker import LatexWalker, LatexWalkerError

    walker = LatexWalker(text, tolerant_parsing=True)
    found: list[Any] = []
    at = 0
    while at < len(text):
        try:
            nodes, start, length = walker.get_latex_nodes(pos=at)
        except (LatexWalkerError, ValueError, IndexError):
            nodes, start, length = (), at, 0
        found.extend(node for node in nodes if node is not None)
        behind = start + length
        if behind < len(text) and (stray := _STRAY.match(text, behind)):
            behind = stray.end()
        at = max(behind, at + 1)
    return found


def arguments(node: Any, nodes: Sequence[Any], at: int, most: int) -> tuple[list[Any], int]:
    """The arguments of a command, and where the last of them stands: those that the parser knows,
    else up to `most` groups after it."""
    known = [a for a in (node.nodeargd.argnlist if node.nodeargd else ()) or () if a is not None]
    if known:
        given = [a for a in known if type(a).__name__ != "LatexCharsNode" or a.chars != "*"]
        return [a for a in given if not _is_option(a)] or given, at
    found: list[Any] = []
    while len(found) < most and at + 1 < len(nodes):
        after = nodes[at + 1]
        kind = type(after).__name__
        if kind == "LatexGroupNode":
            found.append(after)
        elif kind != "LatexCharsNode" or (
            after.chars.strip() and not _OPTION.fullmatch(after.chars)
        ):
            break
        at += 1
    return found, at


def _is_option(argument: Any) -> bool:
    return getattr(argument, "delimiters", ("", ""))[0] == "["


def _without_arguments(nodes: Sequence[Any]) -> list[Any]:
    """The content of an environment without the options and groups that it begins with."""
    at = 0
    while at < len(nodes):
        kind = type(nodes[at]).__name__
        if kind == "LatexCharsNode" and _OPTION.match(nodes[at].chars):
            rest = _OPTION.sub("", nodes[at].chars)
            if rest.strip():
                break
        elif kind != "LatexGroupNode" and (kind != "LatexCharsNode" or nodes[at].chars.strip(" ")):
            break
        at += 1
    return list(nodes[at:])


def _special(sign: str) -> str:
    signs = {"~": " ", "``": "“", "''": "”", "---": "—", "--": "–", "!`": "¡", "?`": "¿"}
    return signs.get(sign, sign)


def symbol(node: Any) -> str | None:
    """The sign that a command stands for, such as an accented letter; None if it stands for
    none."""
    from pylatexenc.latex2text import LatexNodes2Text

    spec = _specs().get_macro_spec(node.macroname)
    replacement = getattr(spec, "simplify_repl", None)
    if isinstance(replacement, str) and "%" not in replacement.replace("%%", ""):
        return replacement.replace("%%", "%")
    if callable(replacement) and len(node.macroname) <= 2:  # accents
        try:
            return str(LatexNodes2Text().node_to_text(node))
        except (LookupError, ValueError, TypeError):  # an accent above nothing
            return None
    return None


@cache
def _specs() -> Any:
    from pylatexenc.latex2text import get_default_latex_context_db

    return get_default_latex_context_db()
