"""reStructuredText, read by docutils, with what only Sphinx knows read as plain content.

An unknown directive keeps its arguments and its content, an unknown role its text. What docutils
cannot parse stays as it is written. Nothing outside the file is read.
"""

import io
import re
from typing import Any, BinaryIO

from leafsearch.ingest.document import Omission, Place, Records, Rejected
from leafsearch.ingest.sources.files.records import UnusableRecord
from leafsearch.ingest.sources.readers.html import to_markdown
from leafsearch.ingest.sources.readers.text import Whole, decode, read_limited

_DIRECTIVE = re.compile(r"\.\.[ \t]+(?:\|[^|\n]+\|[ \t]+)?([\w][\w:.+-]*?)[ \t]?::(?=\s|$)")
_ROLE = re.compile(r":([a-zA-Z][\w:.+-]*):`|`:([a-zA-Z][\w:.+-]*):")
_TARGET = re.compile(r"\s*<[^<>]*>\Z")
_ESCAPED = re.compile(r"\x00(.)", re.DOTALL)
_LITERAL = re.compile(
    r"code|source|literal|doctest|testcode|testoutput|testsetup|prompt|console|ipython|graphviz"
    r"|uml|mermaid|production|parsed-literal|plot|jupyter|highlight"
)
_INDEX = {
    *("index", "meta", "currentmodule", "py:currentmodule", "highlight", "tabularcolumns"),
    *("default-domain", "default-role", "contents", "sectnum", "target-notes", "title"),
}
_LISTS = {"toctree", "autosummary", "tableofcontents"}  # of other pages
_OURS = {"raw", "include", *_INDEX, *_LISTS}  # also where docutils knows them
_CONDITIONS = {"only", "ifconfig", "rst-class", "cssclass", "container"}
_VERSIONS = {
    "versionadded": "New in version ",
    "versionchanged": "Changed in version ",
    "versionremoved": "Removed in version ",
    "deprecated": "Deprecated since version ",
}
_OPTION = re.compile(r":[\w-]+:")
# All messages about what cannot be parsed stay in the tree, so that the text in them is kept.
_SETTINGS = {
    "report_level": 2,
    "halt_level": 5,
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "syntax_highlight": "none",
    "math_output": "LaTeX",
    "initial_header_level": 1,
    "doctitle_xform": False,
    "sectsubtitle_xform": False,
    "embed_stylesheet": False,
    "stylesheet_path": None,
    "_disable_config": True,
    "line_length_limit": 10_000_000,
    "input_encoding": "unicode",
}


def read_rst(stream: BinaryIO, whole: Whole) -> Records:
    """The title is the document's, or its first heading."""
    try:
        text = decode(read_limited(stream))
        markdown, title, omissions = _converted(text)
        if not markdown.strip():
            raise UnusableRecord("empty file" if not text.strip() else "only comments and indexes")
        words = sum(omission.words for omission in omissions)
        yield whole.document(
            markdown,
            title,
            omissions=omissions,
            words=words and words + len(markdown.split()),
        )
    except UnusableRecord as error:
        yield Rejected(Place(whole.file), str(error))


def _converted(text: str) -> tuple[str, str, list[Omission]]:
    from docutils.core import publish_doctree, publish_from_doctree

    _register(text)
    settings = {**_SETTINGS, "warning_stream": io.StringIO()}
    try:
        tree = publish_doctree(text, settings_overrides=settings)
        omissions = _tidy(tree)
        page = publish_from_doctree(tree, writer="html5", settings_overrides=settings)
    except RecursionError as error:
        raise UnusableRecord("nested too deep") from error
    except Exception as error:  # docutils raises whatever the text makes it stumble over
        raise UnusableRecord(f"docutils cannot read it: {type(error).__name__}: {error}") from error
    body = page.decode().partition("<body")[2].partition(">")[2].partition("</body>")[0]
    return to_markdown(_as_footnotes(body)), _title(tree), omissions


def _title(tree: Any) -> str:
    from docutils import nodes

    found = next(iter(tree.findall(nodes.title)), None)
    return "" if found is None else " ".join(found.astext().split())


def _register(text: str) -> None:
    """Teach docutils the directives and roles that this text has and it does not know."""
    from docutils.parsers.rst import directives, roles

    known = {**directives._directive_registry, **directives._directives}
    for name in {found.lower() for found in _DIRECTIVE.findall(text)}:
        if name not in known or name in _OURS:
            directives.register_directive(name, _directive(name))
    for pair in _ROLE.findall(text):
        name = (pair[0] or pair[1]).lower()
        if name not in roles._role_registry and name not in roles._roles:
            roles.register_local_role(name, _role)


def _directive(name: str) -> Any:
    from docutils import nodes
    from docutils.parsers.rst import Directive

    class AnyDirective(Directive):  # type: ignore[misc]
        """Content of a directive, whatever it is."""

        has_content = True
        optional_arguments = 1
        final_argument_whitespace = True
        option_spec = None

        def run(self) -> list[Any]:
            argument = _without_options(self.arguments[0] if self.arguments else "")
            content = list(self.content)
            if name in _INDEX:
                return []
            if name in _LISTS or name in ("raw", "include"):
                listed = "\n".join([argument, *content])
                return [nodes.comment(listed, listed, leafsearch=name)]
            found: list[Any] = []
            signature = "" if name in _CONDITIONS else _VERSIONS.get(name, "") + argument
            if _LITERAL.search(name):
                code = "\n".join(content)
                return [nodes.literal_block(code, code)] if code.strip() else []
            if signature:
                found.append(nodes.paragraph(signature, "", *self._inline(signature)))
            if content:
                block = nodes.container()
                self.state.nested_parse(
                    type(self.content)(content, source=""), self.content_offset, block
                )
                found.append(block)
            return found

        def _inline(self, signature: str) -> list[Any]:
            if ":" in name or name in _DEFINITIONS:  # a signature, in which * is no emphasis
                return [nodes.literal(signature, signature)]
            parsed, problems = self.state.inline_text(signature, self.lineno)
            return [*parsed, *problems]

    return AnyDirective


_DEFINITIONS = {
    *("function", "class", "method", "attribute", "data", "exception", "module", "option"),
    *("envvar", "cmdoption", "program", "describe", "object", "confval", "automodule", "autoclass"),
}


def _without_options(argument: str) -> str:
    """An argument ends where the options begin."""
    lines = argument.split("\n")
    ends = (at for at, line in enumerate(lines) if _OPTION.match(line.strip()))
    return "\n".join(lines[: next(ends, len(lines))])


def _role(
    name: str,
    rawtext: str,
    text: str,
    lineno: int,
    inliner: Any,
    options: Any = None,
    content: Any = None,
) -> tuple[list[Any], list[Any]]:
    from docutils import nodes

    shown = _ESCAPED.sub(r"\1", text)
    shown = _TARGET.sub("", shown).lstrip("~!") or shown
    return [nodes.inline(rawtext, shown)], []


def _tidy(tree: Any) -> list[Omission]:
    """Replace each message by the text that it is about; take out what is left out."""
    from docutils import nodes

    omissions = []
    tree.transform_messages = []
    for message in list(tree.findall(nodes.system_message)):
        kept = list(message.findall(nodes.literal_block))
        message.parent.replace(message, kept or [nodes.comment()])
    for section in list(tree.findall(nodes.section)):
        if "system-messages" in section["classes"]:
            section.parent.remove(section)
    for comment in list(tree.findall(nodes.comment)):
        if kind := comment.get("leafsearch"):
            words = " ".join(comment.astext().split())
            reason = {"raw": "raw text of another format", "include": "a file that is included"}
            shown = reason.get(kind, "list of other pages")
            omissions.append(Omission(shown, len(words.split()), words[:200]))
    return omissions


def _as_footnotes(body: str) -> str:
    """The brackets around footnotes, which docutils leaves to the style sheet, as Markdown's."""
    body = re.sub(
        r'<a class="(?:brackets|footnote-reference brackets)[^>]*>(.*?)</a>', r"[^\1]", body
    )
    body = re.sub(r'<span class="fn-bracket">[^<]*</span>', "", body)
    return re.sub(r'<span class="label">(.*?)</span>\s*<p>', r"<p>[^\1]: ", body, flags=re.DOTALL)
