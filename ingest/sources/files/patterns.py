"""Patterns that choose the files of a folder, as in a .gitignore.

A pattern is matched name by name, and no part of it ever backtracks, so the lengths of pattern and
path bound its time.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from leafsearch.config.text import is_unicode, quote

_LONGEST = 4096  # characters of a pattern, as of a path
_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r" \t\r\n\v\f",
    "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
}


@dataclass(frozen=True)
class FilePatterns:
    """A file is wanted if it matches some pattern of `include`, or `include` is empty, and no
    pattern of `exclude`. Paths are relative to the folder, with slashes."""

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()

    def problems(self) -> Iterator[str]:
        for option, patterns in (("--include", self.include), ("--exclude", self.exclude)):
            for pattern in patterns:
                try:
                    rule = parse_rule(pattern)
                except ValueError as error:
                    yield f"{option} {quote(pattern)}: {error}"
                    continue
                if rule is None:
                    yield f"{option} {quote(pattern)}: expected a pattern, like '*.md' or 'drafts/'"

    def takes(self, path: str) -> bool:
        return (not self.include or _decides(self._included, path)) and not _decides(
            self._excluded, path
        )

    def enters(self, folder: str) -> bool:
        return not _decides(self._excluded, f"{folder}/")

    @cached_property
    def _included(self) -> Sequence["Rule"]:
        return list(filter(None, map(parse_rule, self.include)))

    @cached_property
    def _excluded(self) -> Sequence["Rule"]:
        return list(filter(None, map(parse_rule, self.exclude)))


@dataclass(frozen=True)
class Rule:
    """One pattern. `names` match the names of a path in order; None matches any number of names."""

    names: Sequence[re.Pattern[str] | None]
    negates: bool
    only_folders: bool

    def lies_above(self, path: str) -> bool | None:
        """True if it matches a folder that the path is or lies in; False if it matches the file
        itself; None if it matches neither. A folder's path ends with a slash."""
        is_folder = path.endswith("/")
        parts = path.removesuffix("/").split("/")
        states = self._closed({0})
        for number, part in enumerate(parts, 1):
            states = self._closed({n for state in states for n in self._after(state, part)})
            if not states:
                return None
            if len(self.names) in states and (number < len(parts) or is_folder):
                return True
        return None if self.only_folders or len(self.names) not in states else False

    def _after(self, state: int, part: str) -> Iterator[int]:
        if state == len(self.names):
            return
        wanted = self.names[state]
        if wanted is None:
            yield state
            if state == len(self.names) - 1:  # `a/**` is what lies in a, and not a itself
                yield state + 1
        elif wanted.match(part):
            yield state + 1

    def _closed(self, states: set[int]) -> set[int]:
        """Add the states that a `**` reaches by taking no name."""
        last = len(self.names) - 1
        return states | {s + 1 for s in states if s < last and self.names[s] is None}


def parse_rule(line: str) -> Rule | None:
    """None for a comment or a blank line. Raises ValueError, as a phrase."""
    if len(line) > _LONGEST:
        raise ValueError(f"expected at most {_LONGEST} characters")
    if not is_unicode(line):
        raise ValueError("expected a pattern in UTF-8")
    pattern = _without_trailing_blanks(line)
    if pattern.startswith("#"):
        return None
    negates = pattern.startswith("!")
    pattern = pattern.removeprefix("!")
    only_folders = pattern.endswith("/")
    pattern = pattern.removesuffix("/")
    is_anchored = "/" in pattern
    given = pattern.removeprefix("/").split("/")
    if given == [""]:
        return None
    if "" in given:
        raise ValueError("expected names between the slashes")
    names: list[re.Pattern[str] | None] = [] if is_anchored else [None]
    for name in given:
        if name != "**":
            names.append(_compiled(name))
        elif not names or names[-1] is not None:
            names.append(None)
    return Rule(names, negates, only_folders)


def _without_trailing_blanks(line: str) -> str:
    stripped = line.rstrip()
    escapes = len(stripped) - len(stripped.rstrip("\\"))
    return line[: len(stripped) + 1] if escapes % 2 and stripped != line else stripped


def _decides(rules: Sequence[Rule], path: str) -> bool:
    """The last matching rule decides, as in git: a file's own match beats that of a folder."""
    is_taken, by_itself = False, False
    for rule in rules:
        above = rule.lies_above(path)
        if above is None:
            continue
        if above and not rule.negates:
            is_taken, by_itself = True, False
        elif not (above and by_itself):
            is_taken, by_itself = not rule.negates, not above
    return is_taken


def _compiled(name: str) -> re.Pattern[str]:
    """Compile a pattern for one name. Between two stars stand pieces of a fixed length; the
    first place where a piece fits is as good as any later one, so the match never backtracks."""
    pieces = [""]
    at = 0
    while at < len(name):
        sign = name[at]
        at += 1
        if sign == "*":
            pieces += [""] if pieces[-1] or len(pieces) == 1 else []
        elif sign == "?":
            pieces[-1] += "."
        elif sign == "\\":
            if at == len(name):
                raise ValueError("expected a character after the last backslash")
            pieces[-1] += re.escape(name[at])
            at += 1
        elif sign == "[" and (end := _end_of_class(name, at)):
            pieces[-1] += _class(name[at:end])
            at = end + 1
        else:
            pieces[-1] += re.escape(sign)
    first, *others = pieces
    if not others:
        return re.compile(rf"(?s){first}\Z")
    *middle, last = others
    return re.compile(rf"(?s){first}{''.join(f'(?>.*?{piece})' for piece in middle)}.*{last}\Z")


def _end_of_class(name: str, at: int) -> int:
    """The index of the closing bracket; 0 if none follows, and the opening bracket means
    itself."""
    at += name[at : at + 1] in ("!", "^")
    at += name[at : at + 1] == "]"
    while at < len(name) and name[at] != "]":
        if name[at] == "\\":
            at += 1
        elif name.startswith("[:", at) and (end := name.find(":]", at + 2)) > 0:
            at = end + 1
        at += 1
    return at if at < len(name) else 0


def _class(content: str) -> str:
    """Raises ValueError for a range that ends before it begins."""
    negates = content[:1] in ("!", "^")
    found, at = "", int(negates)
    while at < len(content):
        if content.startswith("[:", at) and (end := content.find(":]", at)) > 0:
            named = content[at + 2 : end]
            if named not in _CLASSES:
                raise ValueError(f"[:{named}:] is not a character class")
            found += _CLASSES[named]
            at = end + 2
            continue
        low, at = _sign(content, at)
        if content[at : at + 1] == "-" and at + 1 < len(content):
            high, at = _sign(content, at + 1)
            if high < low:
                raise ValueError(f"the range {low}-{high} ends before it begins")
            found += f"{re.escape(low)}-{re.escape(high)}"
        else:
            found += re.escape(low)
    return f"[{'^' if negates else ''}{found}]"


def _sign(content: str, at: int) -> tuple[str, int]:
    """The character at a place of a class, and the index after it."""
    at += content[at] == "\\" and at + 1 < len(content)
    return content[at], at + 1
