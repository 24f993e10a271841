"""Finds and scores the documents that match an operator.

Scores add up as in Lucene: over words, over paths, over clauses. Filters add nothing.
"""

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from leafmongo.engine.errors import Refused
from leafmongo.engine.filters.column import FilterColumn, Mask
from leafmongo.engine.filters.match import in_range, match_clause
from leafmongo.engine.filters.syntax import Equals, Exists, In, Range
from leafmongo.engine.filters.values import Key, KeyKind, KeyList, Terms
from leafmongo.engine.text.contents import TextContents
from leafmongo.engine.text.mappings import TextDefinition
from leafmongo.engine.text.query import (
    AnyComparison,
    Between,
    Comparison,
    Compound,
    Operator,
    Text,
    TextPath,
)

_NUMBERS = (KeyKind.INT, KeyKind.DOUBLE)


@dataclass(frozen=True, eq=False)
class MatchedRows:
    """For every row, dead ones included; scores are 0 outside the mask."""

    mask: Mask
    scores: NDArray[np.float64]


class TextMatcher:
    """Matches the operators of one search. The contents must not change meanwhile."""

    def __init__(self, definition: TextDefinition, contents: TextContents) -> None:
        self._definition = definition
        self._contents = contents
        self._rows = len(contents.ids)

    def of(self, operator: Operator) -> MatchedRows:
        match operator:
            case Text():
                return self._text(operator)
            case AnyComparison(comparisons):
                mask = self._mask(False)
                for comparison in comparisons:
                    mask |= self._compare(comparison)
                return MatchedRows(mask, mask.astype(np.float64))
            case Compound():
                return self._compound(operator)

    def _text(self, text: Text) -> MatchedRows:
        mask, scores = self._mask(False), np.zeros(self._rows)
        for path in self._paths(text.paths):
            for query in text.queries:
                serials, found = self._contents.postings[path].search(
                    query, all_terms=text.all_terms
                )
                rows = self._contents.rows_of(serials)
                mask[rows] = True
                scores[rows] += found
        return MatchedRows(mask, scores)

    def _paths(self, paths: Iterable[TextPath]) -> list[str]:
        """The paths that have words; each counts once."""
        found: dict[str, None] = {}
        for path in paths:
            if not path.wildcard and path.pattern in self._contents.postings:
                found[path.pattern] = None
            elif path.wildcard:
                pieces = map(re.escape, path.pattern.split("*"))
                pattern = re.compile(".*".join(pieces), re.DOTALL)
                found |= dict.fromkeys(filter(pattern.fullmatch, self._contents.postings))
        return list(found)

    def _compound(self, compound: Compound) -> MatchedRows:
        mask, scores = self._mask(True), np.zeros(self._rows)
        for each in compound.must:
            matched = self.of(each)
            mask &= matched.mask
            scores += matched.scores
        for each in compound.filter:
            mask &= self.of(each).mask
        for each in compound.must_not:
            mask &= ~self.of(each).mask
        minimum = compound.minimum_should_match
        if compound.should and not (compound.must or compound.filter):
            minimum = max(minimum, 1)
        found = np.zeros(self._rows, dtype=np.int32)  # clauses of should
        for each in compound.should:
            matched = self.of(each)
            found += matched.mask
            scores += matched.scores
        if minimum:
            mask &= found >= minimum
        return MatchedRows(mask, np.where(mask, scores, 0))

    def _mask(self, value: bool) -> Mask:
        return np.full(self._rows, value, dtype=np.bool_)

    # comparisons

    def _compare(self, comparison: Comparison) -> Mask:
        columns = self._contents.columns
        normalise = functools.partial(self._normalise, comparison.path)
        match comparison:
            case Exists():
                return match_clause(comparison, columns, self._rows)
            case Equals(path, key):
                return match_clause(Equals(path, normalise(key)), columns, self._rows)
            case In(path, KeyList() as keys):
                return match_clause(In(path, self._normalise_all(path, keys)), columns, self._rows)
            case In(path, keys):
                return match_clause(In(path, tuple(map(normalise, keys))), columns, self._rows)
            case Between(path, bounds):
                bounds = tuple(replace(bound, key=normalise(bound.key)) for bound in bounds)
                return self._between(columns.get(path), bounds)

    def _normalise_all(self, path: str, keys: KeyList) -> KeyList:
        return KeyList(
            [
                (kind, Terms(self._normalise(path, Key(kind, value)).value for value in values))
                if kind is KeyKind.STRING
                else (kind, values)
                for kind, values in keys.parts
            ]
        )

    def _normalise(self, path: str, key: Key) -> Key:
        """Normalise strings as they are indexed at the path."""
        if key.kind is not KeyKind.STRING:
            return key
        field = self._definition.field(path)
        if field is None or KeyKind.STRING not in field.kinds:
            raise Refused(f"Path '{path}' needs to be indexed as token")
        return Key(key.kind, key.value.decode().lower().encode()) if field.lowercase else key

    def _between(self, column: FilterColumn | None, bounds: Sequence[Range]) -> Mask:
        mask = self._mask(False)
        kind = bounds[0].key.kind
        for each in _NUMBERS if kind in _NUMBERS else (kind,):
            entries = column.entries(each) if column else None
            if entries is not None:
                within = [in_range(entries, bound.operator, bound.key.value) for bound in bounds]
                mask[entries.rows.view[np.logical_and.reduce(within)]] = True
        return mask
