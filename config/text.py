"""Untrusted text: checks that it is Unicode, quotes it in messages, makes it safe for terminals.

Text from a user, a corpus or a server may have any length and any content. Messages quote it with
`quote`; `shorten` bounds errors, rejects and the lines of commands; `strip_controls` or `one_line`
clean all that reaches a terminal.
"""

import difflib
import re
from collections.abc import Iterable, Sequence
from reprlib import Repr

LONGEST = 2000  # characters of one message
_QUOTED = 80  # characters of one quoted value

# C0 without tab and line feed, DEL, C1, and the two separators that some terminals break lines at.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_LINE_ENDS = re.compile(r"\s*[\r\n]\s*")


class _Repr(Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxstring = self.maxother = self.maxlong = _QUOTED
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = 8

    def repr_int(self, x: int, level: int) -> str:
        """Python refuses to print numbers of more than 4,300 digits."""
        return repr(x) if x.bit_length() < 256 else f"<a number of {x.bit_length()} bits>"


_repr = _Repr()


def quote(value: object) -> str:
    """A short `repr`, for values of any size and depth."""
    return shorten(_repr.repr(value), 4 * _QUOTED)


def quote_all(names: Iterable[object]) -> str:
    """The first eight names for a message, and how many there are."""
    given = [name if len(name) <= _QUOTED else f"{name[:_QUOTED]}..." for name in map(str, names)]
    more = f", ... ({len(given)} in all)" if len(given) > 8 else ""
    return ", ".join(given[:8]) + more


def shorten(text: str, most: int = LONGEST) -> str:
    """Keep the beginning and the end of a long text: the end of a message says what to do."""
    if len(text) <= most:
        return text
    left_out = f" ... ({len(text):,} characters) ... "
    kept = max(most - len(left_out), 2)
    end = kept // 3
    return text[: kept - end] + left_out + text[-end:]


def expected_one_of(value: str, known: Sequence[str]) -> str:
    """What an error says of a value outside `known`, with the nearest one if any is near."""
    close = difflib.get_close_matches(value, known, n=1, cutoff=0.6)
    meant = f"; did you mean {close[0]}?" if close else ""
    return f"expected one of {', '.join(known)}{meant}"


def counted(number: int, one: str, many: str = "") -> str:
    """`1 chunk`, `2,000 chunks`; `many` where the plural does not end in s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def is_unicode(text: str) -> bool:
    """False if the text holds lone surrogates, which stand for bytes that are not UTF-8."""
    return text.isascii() or _SURROGATES.search(text) is None


def escape_surrogates(text: str) -> str:
    """A file name as text that can be stored: bytes that are not UTF-8 become `\\xe9`."""
    return text if is_unicode(text) else _SURROGATES.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def strip_controls(text: str) -> str:
    """Replace characters that a terminal would obey rather than show; keep tabs and line ends."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """A message as one line of bounded length, safe for a terminal."""
    return strip_controls(_LINE_ENDS.sub(" ", shorten(text).strip()).replace("\t", " "))
