"""Parts of a program: where each function, method and type begins, and its symbol."""

import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

from leafsearch.ingest.sources.readers.code.languages import Language

_SMALL = 600  # bytes of a type that is left whole
_DEEPEST = 30  # definitions inside each other
_ABOVE = ("comment", "line_comment", "block_comment", "attribute_item", "decorator", "annotation")
_SAID = re.compile(r"[^\W_]")
_VALUES = ("arrow_function", "function_expression", "function", "class")


class Part(NamedTuple):
    """From a line on (counted from 0); the symbol is empty for what is outside definitions."""

    line: int
    symbol: str


def find_parts(text: str, language: Language) -> list[Part]:
    """The parts of a program in order; the first begins with the first line. Parts without text
    belong to the one before."""
    raw = text.encode()
    root = _parser(language.module, language.function).parse(raw).root_node
    lines = text.split("\n")
    last_line = max(0, len(lines) - 1)
    parts: dict[int, str] = {0: ""}
    for line, symbol in _Definitions(language, raw).parts(root, "", 0):
        if line <= last_line:
            parts[line] = symbol
    found = [Part(line, parts[line]) for line in sorted(parts)]
    return _merged(found, lines)


@cache
def _parser(module: str, function: str) -> Any:
    from tree_sitter import Language as Grammar
    from tree_sitter import Parser

    return Parser(Grammar(getattr(import_module(module), function)()))


def _merged(parts: list[Part], lines: list[str]) -> list[Part]:
    """Leave out borders before which, or behind which, nothing is said."""
    found: list[Part] = []
    for at, part in enumerate(parts):
        end = parts[at + 1].line if at + 1 < len(parts) else len(lines)
        said = any(map(_SAID.search, lines[part.line : end]))
        if found and found[-1].symbol == part.symbol:
            continue
        if not said and found:
            continue
        if not said and at + 1 < len(parts):  # blank lines before the first definition
            parts[at + 1] = Part(part.line, parts[at + 1].symbol)
            continue
        found.append(part)
    return found or parts[:1]


class _Definitions:
    def __init__(self, language: Language, raw: bytes) -> None:
        self._language = language
        self._raw = raw

    def parts(self, node: Any, above: str, depth: int) -> Iterator[Part]:
        """Each definition's first line with its symbol, and the line behind it with the one
        around."""
        comment: Any = None  # the first of the comments that end right above
        comment_end: Any = None
        for inner in node.named_children:
            if inner.type in _ABOVE:
                if comment is None or _gap(comment_end, inner):
                    comment = inner
                comment_end = inner
                if _is_trailing(inner):
                    comment = None
                continue
            start = inner if comment is None or _gap(comment_end, inner) else comment
            comment = None
            yield from self._of(inner, start.start_point[0], above, depth)

    def _of(self, node: Any, first: int, above: str, depth: int) -> Iterator[Part]:
        definition = self._defined(node)
        name = self._name(definition) if definition is not None else ""
        if definition is None or not name:
            if node.type in self._language.wrappers and depth < _DEEPEST:
                yield from self.parts(node, above, depth + 1)
            return
        symbol = f"{above}.{name}" if above else name
        yield Part(first, symbol)
        size = definition.end_byte - definition.start_byte
        if definition.type in self._language.containers and size > _SMALL and depth < _DEEPEST:
            body = definition.child_by_field_name("body") or definition
            yield from self.parts(body, symbol, depth + 1)
        row, column = node.end_point
        yield Part(row if column == 0 else row + 1, above)

    def _defined(self, node: Any) -> Any:
        """The definition that a node is or that it only wraps, such as a decorated one."""
        for _ in range(5):
            if node.type in self._language.definitions:
                return node if self._is_definition(node) else None
            if node.type not in (
                "decorated_definition",
                "export_statement",
                "template_declaration",
            ):
                return None
            node = next(
                (
                    inner
                    for inner in node.named_children
                    if inner.type in self._language.definitions
                    or inner.type in ("decorated_definition", "export_statement")
                ),
                None,
            )
            if node is None:
                return None
        return None

    def _is_definition(self, node: Any) -> bool:
        """A variable is one if it holds a function; a type of C if its fields are named here."""
        if node.type in ("lexical_declaration", "variable_declaration"):
            return any(
                (value := inner.child_by_field_name("value")) is not None and value.type in _VALUES
                for inner in node.named_children
            )
        if node.type in ("struct_specifier", "class_specifier", "enum_specifier"):
            return node.child_by_field_name("body") is not None
        if node.type == "type_definition":
            kind = node.child_by_field_name("type")
            return kind is not None and kind.child_by_field_name("body") is not None
        return True

    def _name(self, node: Any) -> str:
        if node.type == "impl_item":
            kind, trait = node.child_by_field_name("type"), node.child_by_field_name("trait")
            name = self._text(kind)
            return f"{name} ({self._text(trait)})" if trait is not None else name
        if node.type == "method_declaration" and (of := node.child_by_field_name("receiver")):
            kind = self._text(of).strip("()").split()[-1:]
            return f"{''.join(kind).lstrip('*')}.{self._text(node.child_by_field_name('name'))}"
        named = node.child_by_field_name("name") or node.child_by_field_name("declarator")
        if named is None:  # such as a variable that holds a function, or a type of Go
            inner = (i.child_by_field_name("name") for i in node.named_children)
            named = next(filter(None, inner), None)
        while named is not None and (inside := named.child_by_field_name("declarator")):
            named = inside
        text = self._text(named)
        return " ".join(text.split())[:200] if text else ""

    def _text(self, node: Any) -> str:
        if node is None:
            return ""
        return self._raw[node.start_byte : node.end_byte].decode("utf-8", "replace")


def _gap(above: Any, node: Any) -> bool:
    end: int = above.end_point[0] - (above.end_point[1] == 0)
    return bool(node.start_point[0] > end + 1)


def _is_trailing(comment: Any) -> bool:
    """Whether it stands behind code in its line."""
    before = comment.prev_sibling
    return before is not None and bool(before.end_point[0] == comment.start_point[0])
