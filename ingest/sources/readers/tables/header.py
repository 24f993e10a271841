"""The header of a CSV file: its delimiter and the names of its columns."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import TextIOWrapper

from leafsearch.config.text import quote_all
from leafsearch.ingest.errors import SourceError
from leafsearch.ingest.sources.files.records import MAX_TEXT, Fields

_DELIMITERS = ",;\t|"
_SEP = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE | re.DOTALL)  # as Excel reads and writes it
_MOST_LINES = 50  # of a header with line ends inside quotes


@dataclass(frozen=True)
class Header:
    """`lines` of the file up to the first row; `repeated` maps new names of doubled columns to
    the name that they share."""

    names: Sequence[str]
    delimiter: str
    lines: int
    repeated: dict[str, str]


def read_header(
    text: TextIOWrapper, file: str, fields: Fields, delimiter: str | None = None
) -> Header:
    """`delimiter` is the usual one of the format. Raises SourceError."""
    number, line = 1, text.readline(MAX_TEXT)
    while line and not line.strip():
        number, line = number + 1, text.readline(MAX_TEXT)
    named = _SEP.fullmatch(line)
    if named:
        number, line = number + 1, text.readline(MAX_TEXT)
    candidates = named[1] if named else (delimiter or "") + _DELIMITERS
    begin = number
    while True:
        try:
            found, names = _choose(line, candidates, fields, delimiter)
            break
        except csv.Error as error:
            more = text.readline(MAX_TEXT) if number < begin + _MOST_LINES else ""
            if not more or "unexpected end" not in str(error):
                raise SourceError(
                    f"{file}: the header, line {begin}, is not CSV: {error}"
                ) from error
            number, line = number + 1, line + more
    if missing := [name for name in fields.texts if name not in names]:
        raise SourceError(
            f"{file}: no column {' or '.join(map(repr, missing[:8]))} in the header "
            f"({quote_all(names) or 'empty'}); "
            "name the text's column with --text-field"
        )
    plain, repeated = plain_names(names, file, fields)
    return Header(plain, found, number, repeated)


def _choose(line: str, candidates: str, fields: Fields, usual: str | None) -> tuple[str, list[str]]:
    """The delimiter that gives most of the fields that are asked for, then the most columns."""
    wanted = {*fields.texts, fields.title, fields.id, "_id"}
    found: tuple[str, list[str]] | None = None
    best, failure = (-1, -1, -1), None
    for each in dict.fromkeys(candidates):
        try:
            names = next(csv.reader([line], delimiter=each, strict=True), [])
        except csv.Error as error:
            failure = error
            continue
        names = [" ".join(name.split()) for name in names]
        texts = sum(name in names for name in fields.texts)
        rating = (texts, len(wanted.intersection(names)) + (each == usual), len(names))
        if rating > best:
            best, found = rating, (each, names)
    if found is None or (failure is not None and not best[0]):
        raise failure or csv.Error("unexpected end of data")
    return found


def plain_names(
    names: Sequence[str], file: str, fields: Fields
) -> tuple[list[str], dict[str, str]]:
    """Every column under a name of its own, and the shared name of those that were renamed.
    Raises SourceError."""
    wanted = {*fields.texts, fields.title, fields.id}
    plain, repeated = list[str](), dict[str, str]()
    taken = set(names)
    met: dict[str, int] = {}  # how often so far
    for place, name in enumerate(names, 1):
        own = name or f"column_{place}"
        if own in met:
            if name in wanted:
                raise SourceError(
                    f"{file}: column {name!r} occurs twice in the header: {quote_all(names)}"
                )
            while (own := f"{name}_{met[name] + 1}") in taken:
                met[name] += 1
            met[name] += 1
            repeated[own] = name
            taken.add(own)
        met.setdefault(own, 1)
        plain.append(own)
    return plain, repeated
