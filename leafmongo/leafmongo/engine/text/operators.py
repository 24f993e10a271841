"""The tree that a `$search` stage becomes: words to look for, comparisons, and how they combine."""

from dataclasses import dataclass

from leafmongo.engine.filters.syntax import Equals, Exists, In, Range


@dataclass(frozen=True)
class TextPath:
    """`pattern` may have `*` in it where `wildcard`, for any characters."""

    pattern: str
    wildcard: bool = False


@dataclass(frozen=True)
class Text:
    """Any of the queries at any of the paths; the scores add up."""

    paths: tuple[TextPath, ...]
    queries: tuple[str, ...]
    all_terms: bool = False


@dataclass(frozen=True)
class Between:
    """One value of the path, and not two of an array, is within all the bounds."""

    path: str
    bounds: tuple[Range, ...]


Comparison = Equals | In | Between | Exists


@dataclass(frozen=True)
class AnyComparison:
    """The same comparison at several paths; a match scores 1."""

    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True)
class Compound:
    must: tuple["Operator", ...] = ()
    must_not: tuple["Operator", ...] = ()
    should: tuple["Operator", ...] = ()
    filter: tuple["Operator", ...] = ()
    minimum_should_match: int = 0


Operator = Text | AnyComparison | Compound
