"""What becomes of the last record of a stream that breaks off.

Rows before the break are whole, and are kept. The one that the break goes through is a reject, and
so is a document: half of it would replace the whole one of an earlier run.
"""

from dataclasses import replace

from leafsearch.config.text import counted
from leafsearch.ingest.document import Document, Records, Rejected
from leafsearch.ingest.errors import SourceError
from leafsearch.ingest.sources.files.formats import Format
from leafsearch.ingest.sources.readers.packed.compression import Break, break_of, may_break
from leafsearch.ingest.sources.readers.tables.json_records import BROKEN

_LINES = ("jsonl", "csv", "tsv")


def settle_break(records: Records, stream: object, format: Format) -> Records:
    """The records that are whole; then raises SourceError if the stream broke off."""
    if not may_break(stream):
        yield from records
        return
    last: Document | Rejected | None = None
    error: SourceError | None = None
    count = 0
    try:
        for record in records:
            if last is not None:
                yield last
            last, count = record, count + isinstance(record, Document)
    except SourceError as caught:
        error = caught
    broken, has_half = break_of(stream), False
    if broken is None:
        yield from () if last is None else (last,)
        if error is not None:
            raise error
        return
    if last is not None:
        kept = _judged(last, broken, format)
        count -= isinstance(last, Document) and not isinstance(kept, Document)
        has_half = kept is not None and kept is not last
        yield from () if kept is None else (kept,)
    raise SourceError(_message(broken, format, count, has_half=has_half)) from error


def _judged(last: Document | Rejected, broken: Break, format: Format) -> Document | Rejected | None:
    """None for a document that the error alone is about."""
    if broken.is_trusted:
        return last
    if format in _LINES:
        is_whole = broken.ends_line and isinstance(last, Document)
        # A line of JSON ends with its closing bracket, a row of CSV only with its line end.
        if is_whole or (format == "jsonl" and isinstance(last, Document)) or broken.has_all:
            return last
        if broken.ends_line and format == "jsonl":
            return last
        return _half(last, broken)
    if format == "json" and isinstance(last, Rejected) and last.reason.startswith(BROKEN):
        return None  # the error is about the same break
    if format in ("json", "parquet"):
        return last
    return None


def _half(last: Document | Rejected, broken: Break) -> Rejected:
    reason = f"half a record: {broken} in it"
    if isinstance(last, Rejected):
        return replace(last, reason=reason)
    return Rejected(last.place, reason, last.text)


def _message(broken: Break, format: Format, count: int, *, has_half: bool) -> str:
    if format in _LINES or format == "json":
        kept = f"{counted(count, 'whole record')} before it {'is' if count == 1 else 'are'} read"
        doubt = ", of which some may be wrong" if broken.has_all and not broken.is_trusted else ""
        doubt += ", and the half one is a reject" if has_half else ""
    else:
        kept = "a document that is cut off is not stored, so one of an earlier run stays"
        doubt = ""
    return f"{broken}; {kept}{doubt}. Get the file again, and repeat the command"
