"""What of a LaTeX file is text: the body without comments, code set aside, commands known."""

import re
from dataclasses import dataclass, field

_RAW = re.compile(
    r"\\begin\{(verbatim\*?|lstlisting|minted|Verbatim|BVerbatim|alltt|Highlighting|comment)\}"
    r"(.*?)\\end\{\1\}",
    re.DOTALL,
)
_ARGUMENTS = re.compile(r"\A(?:[ \t]*\[[^\]]*\])?(?:[ \t]*\{(\w*)\})?[ \t]*\n")
_LANGUAGE = re.compile(r"language=\{?([\w+#-]+)")
_INLINE = re.compile(
    r"\\(?:verb\*?|lstinline(?:\[[^\]]*\])?|mintinline(?:\[[^\]]*\])?\{\w+\})([^\w\s*{])(.*?)\1"
)
_COMMENT = re.compile(r"(?<!\\)((?:\\\\)*)%.*(?:\n[ \t]*|\Z)")
_BEGIN = re.compile(r"\\begin\s*\{document\}")
_END = re.compile(r"\\end\s*\{document\}")
_TOKEN = re.compile(r"\\[A-Z]\w*Tok\{((?:[^{}\\]|\\.)*)\}")  # as pandoc colours code
_ESCAPED = re.compile(r"\\textbackslash\{\}|\\([{}_%&#$^~])(?:\{\})?")
_DEFINITION = re.compile(
    r"\\(?:re)?(?:newcommand|providecommand|DeclareRobustCommand)\*?\s*\{?\s*\\([a-zA-Z]+)\s*\}?"
    r"\s*(?:\[(\d)\])?(\[[^\]]*\])?\s*(?=\{)|\\def\s*\\([a-zA-Z]+)((?:#\d)*)\s*(?=\{)"
)
# A definition that decides something is not followed: its arguments are kept instead.
_PROGRAM = re.compile(r"\\(?:if|csname|expandafter|let|def|newcommand|@)|##")
_ENVIRONMENT = re.compile(
    r"\\(?:re)?newenvironment\*?\s*\{[^{}]*\}\s*(?:\[\d\])?(?:\[[^\]]*\])?|"
    r"\\NewDocumentEnvironment\s*\{[^{}]*\}\s*\{[^{}]*\}"
)
_SAID = re.compile(r"\\(title|author|date|subtitle|institute)\s*(?:\[[^\]]*\])?\s*(?=\{)")


@dataclass(frozen=True)
class Definition:
    """A command of the document: the number of its arguments, and what it stands for."""

    arguments: int
    body: str


@dataclass
class LatexSource:
    """`codes` are pieces of code with their language, named in the body as `\\leafcode{N}` and
    `\\leafverb{N}`; `said` holds title, author and the like, as written."""

    body: str = ""
    codes: list[tuple[str, str]] = field(default_factory=list)
    definitions: dict[str, Definition] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str) -> "LatexSource":
        source = cls()
        text = _RAW.sub(source._set_aside, text)
        text = _INLINE.sub(source._set_aside_inline, text)
        text = _COMMENT.sub(r"\1", text)
        text = _without_environments(text)
        begun = _BEGIN.search(text)
        preamble = text[: begun.start()] if begun else ""
        source.body = text[begun.end() :] if begun else text
        if ended := _END.search(source.body):
            source.body = source.body[: ended.start()]
        for found in _DEFINITION.finditer(text):
            name, counted = found[1] or found[4], found[2] or str((found[5] or "").count("#"))
            body = _braced(text, found.end())
            if not found[3] and not _PROGRAM.search(body):
                source.definitions[name] = Definition(int(counted), body)
        for found in _SAID.finditer(preamble + source.body):
            source.said.setdefault(found[1], _braced(preamble + source.body, found.end()))
        return source

    def _set_aside(self, found: re.Match[str]) -> str:
        name, text = found[1], found[2]
        if name == "comment":
            return ""
        language = ""
        if arguments := _ARGUMENTS.match(text):
            option = _LANGUAGE.search(arguments[0])
            language = (arguments[1] or (option[1] if option else "")).lower()
            text = text[arguments.end() :]
        if name == "Highlighting":
            while _TOKEN.search(text):
                text = _TOKEN.sub(r"\1", text)
            text = _ESCAPED.sub(lambda sign: sign[1] or "\\", text)
        self.codes.append((text, language))
        return f"\\leafcode{{{len(self.codes) - 1}}}"

    def _set_aside_inline(self, found: re.Match[str]) -> str:
        self.codes.append((found[2], ""))
        return f"\\leafverb{{{len(self.codes) - 1}}}"


def _without_environments(text: str) -> str:
    """Without definitions of environments, whose halves are no whole LaTeX."""
    kept, at = [], 0
    for found in _ENVIRONMENT.finditer(text):
        if found.start() < at:
            continue
        kept.append(text[at : found.start()])
        at = found.end()
        for _ in range(2):
            at += len(text[at:]) - len(text[at:].lstrip()) if text[at : at + 1].isspace() else 0
            if text[at : at + 1] == "{":
                at += len(_braced(text, at)) + 2
    return "".join([*kept, text[at:]])


def _braced(text: str, start: int) -> str:
    """What stands between the brace at `start` and the one that closes it."""
    depth = 0
    for at in range(start, min(len(text), start + 20_000)):
        if text[at] == "\\":
            continue
        if text[at - 1] == "\\" and text[at - 2 : at] != "\\\\":
            continue
        if text[at] == "{":
            depth += 1
        elif text[at] == "}":
            depth -= 1
            if not depth:
                return text[start + 1 : at]
    return ""
