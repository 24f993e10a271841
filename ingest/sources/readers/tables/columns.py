"""What the user asks of the columns of tables, and what a run found out about them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from leafsearch.config.text import counted, expected_one_of, is_unicode, quote, quote_all, shorten
from leafsearch.ingest.sources.files.records import UnusableRecord
from leafsearch.ingest.sources.readers.tables.column_types import (
    COLUMN_TYPES,
    ColumnType,
    Convert,
    DecidedColumn,
    asked_converter,
    converter,
    shown,
)
from leafsearch.ingest.sources.readers.tables.header import Header

_SAID = 5  # files whose columns are shown on a terminal
_KEPT = 100  # files whose columns are kept
_COMPARED = 1000  # columns that are compared between files
_SHOWN_COLUMNS = 12
_NUMBERS = frozenset({"integer", "float"})


@dataclass(frozen=True)
class AskedTypes:
    """`--column-type`: the types of columns by their names, for all files of a run."""

    types: Mapping[str, ColumnType] = field(default_factory=dict)
    wrong: Sequence[str] = ()  # options that name no type

    @classmethod
    def parse(cls, options: Sequence[str]) -> "AskedTypes":
        types, wrong = dict[str, ColumnType](), list[str]()
        for option in options:
            name, _, kind = option.rpartition("=")
            known = next((each for each in COLUMN_TYPES if each == kind), None)
            is_known = bool(name) and known is not None and is_unicode(option)
            if known is None or not is_known or types.setdefault(name, known) != known:
                wrong.append(option)
        return cls(types, wrong)

    @property
    def given(self) -> bool:
        return bool(self.types or self.wrong)

    def problems(self, own: Sequence[str]) -> Iterator[str]:
        """`own` are the fields of ids, texts and titles, which are text."""
        for option in self.wrong:
            name, _, kind = option.rpartition("=")
            if name and kind in COLUMN_TYPES:
                yield f"--column-type {shorten(option, 80)}: {quote(name)} has another type already"
            else:
                yield (
                    f"--column-type {shorten(option, 80)}: expected COLUMN=TYPE; "
                    f"{expected_one_of(kind, COLUMN_TYPES)}"
                )
        for name in self.types:
            if name in own and self.types[name] != "text":
                yield f"--column-type {shorten(name, 80)}: ids, texts and titles are text"


@dataclass
class ColumnReport:
    """What was found out about the columns of the files of a run. Holds the first files, and the
    types that columns of one name have in several files."""

    files: dict[str, dict[str, ColumnType]] = field(default_factory=dict)
    more_files: int = 0
    asked_for: set[str] = field(default_factory=set)  # names of `--column-type` that a file has
    _said: dict[str, tuple[str, int]] = field(default_factory=dict)
    _unsaid: int = 0  # files beyond what is kept
    _met: dict[str, dict[str, str]] = field(default_factory=dict)  # column -> type -> first file

    def add(self, file: str, columns: Sequence[DecidedColumn], repeated: Mapping[str, str]) -> None:
        if not columns and not repeated:
            return
        if len(self.files) >= _KEPT:
            self.more_files += 1
        else:
            self.files[file] = {column.name: column.type for column in columns}
        self._say(file, _sentence(columns, repeated))
        for column in columns:
            if column.name in self._met or len(self._met) < _COMPARED:
                self._met.setdefault(column.name, {}).setdefault(column.type, file)

    def add_absent(self, file: str, fields: Sequence[str]) -> None:
        """Fields of texts that no record of the file has, though others of them are there."""
        self._say(file, f"no record has the field {' or '.join(map(quote, fields))}")

    def _say(self, file: str, sentence: str) -> None:
        if sentence in self._said:
            first, count = self._said[sentence]
            self._said[sentence] = first, count + 1
        elif len(self._said) < _KEPT:
            self._said[sentence] = file, 1
        else:
            self._unsaid += 1

    def lines(self, asked: AskedTypes) -> Iterator[str]:
        """For a terminal; files with the same to say share a line."""
        said = [(file, count, sentence) for sentence, (file, count) in self._said.items()]
        for file, count, sentence in said[:_SAID]:
            others = f" and {counted(count - 1, 'more file')}" if count > 1 else ""
            yield f"{file}{others}: {sentence}"
        if more := sum(count for _, count, _ in said[_SAID:]) + self._unsaid:
            yield f"the types of the columns of {counted(more, 'more file')} are in --json"
        differing = [
            (name, types)
            for name, types in self._met.items()
            if len(types) > 1 and not types.keys() <= _NUMBERS
        ]
        for name, types in differing[:_SAID]:
            where = " and ".join(f"{kind} in {file}" for kind, file in list(types.items())[:3])
            yield (
                f"column {shown(name)} is {where}; --column-type {shown(name)}=text stores it "
                "alike in all files"
            )
        if len(differing) > _SAID:
            yield f"{len(differing) - _SAID} more columns differ in type between files"
        if unknown := [name for name in asked.types if name not in self.asked_for]:
            yield f"--column-type {quote_all(unknown)}: no table has such a column"

    def as_object(self) -> dict[str, Any]:
        return {**self.files, **({"...": self.more_files} if self.more_files else {})}


@dataclass(frozen=True)
class Columns:
    """How the columns of tables are read, and where it is reported what they are."""

    asked: AskedTypes = field(default_factory=AskedTypes)
    report: ColumnReport = field(default_factory=ColumnReport)

    def undecided(self, names: Sequence[str], own: Sequence[str]) -> list[tuple[int, str]]:
        """Places and names of the columns whose types their values decide; `own` is text."""
        self.report.asked_for.update(name for name in self.asked.types if name in names)
        return [
            (place, name)
            for place, name in enumerate(names)
            if name not in own and name not in self.asked.types
        ]


class Typed:
    """Cells of one file as values of their columns' types."""

    def __init__(self, asked: AskedTypes, types: Mapping[str, ColumnType]) -> None:
        self._asked = asked.types
        self._types = types
        self._converters: dict[str, Convert] = {}

    @classmethod
    def of_text(
        cls, columns: Columns, decided: Sequence[DecidedColumn], header: Header, own: Sequence[str]
    ) -> "Typed":
        """For cells that are text."""
        types = {column.name: column.type for column in decided}
        made = cls(columns.asked, {**types, **columns.asked.types})
        for name in header.names:
            if name in own:
                continue
            if (asked := columns.asked.types.get(name)) is not None:
                comma = header.delimiter != ","
                made._converters[name] = asked_converter(asked, decimal_comma=comma)
            elif types.get(name, "text") != "text":
                made._converters[name] = converter(types[name])
        return made

    @classmethod
    def of_asked(cls, columns: Columns, names: Sequence[str], own: Sequence[str]) -> "Typed":
        """For cells that have types, written as text."""
        made = cls(columns.asked, columns.asked.types)
        for name in names:
            if name not in own and (asked := columns.asked.types.get(name)) is not None:
                made._converters[name] = asked_converter(asked)
        return made

    def value(self, name: str, value: str) -> Any:
        """None for no value. Raises UnusableRecord."""
        convert = self._converters.get(name)
        if convert is None:
            return value
        try:
            return convert(value)
        except ValueError:
            kind = self._types[name]
            why = (
                f"does not fit --column-type {name}={kind}"
                if name in self._asked
                else f"is no {kind} as the other values of this column; give --column-type"
            )
            raise UnusableRecord(f"field {quote(name)}: {quote(value)} {why}") from None


def _sentence(columns: Sequence[DecidedColumn], repeated: Mapping[str, str]) -> str:
    """`price is float, sku is text (007 in line 12 has a leading zero)`."""
    groups: dict[tuple[ColumnType, str], list[str]] = {}
    for column in columns[:_SHOWN_COLUMNS]:
        groups.setdefault((column.type, column.why), []).append(shown(column.name))
    parts = [
        f"{_listed(names)} {'is' if len(names) == 1 else 'are'} {kind}{f' ({why})' if why else ''}"
        for (kind, why), names in groups.items()
    ]
    if more := len(columns) - _SHOWN_COLUMNS:
        parts += [f"and {counted(more, 'more column')}"] if more > 0 else []
    for own, name in list(repeated.items())[:_SAID]:
        parts.append(f"another column {shown(name) if name else 'without a name'} is {shown(own)}")
    return ", ".join(parts)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
