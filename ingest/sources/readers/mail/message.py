"""E-mail: the text of a message, with subject, sender, recipients and date.

Plain text is preferred to HTML. Quotes and signatures stay. Attached messages are read; other
attachments are named in a note, since they are files of their own.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.errors import MessageError
from email.header import decode_header
from email.message import EmailMessage, Message
from email.utils import getaddresses, parsedate_to_datetime
from typing import Any, BinaryIO, TypeAlias

from leafsearch.ingest.document import Document, Place, Records, Rejected
from leafsearch.ingest.sources.files.records import UnusableRecord
from leafsearch.ingest.sources.readers.html import to_markdown
from leafsearch.ingest.sources.readers.text import Whole, read_limited

Mail: TypeAlias = "Message[Any, Any]"  # takes no parameter at run time

_HEADERS = (
    "From",
    "Subject",
    "Date",
    "To",
    "Received",
    "Message-ID",
    "Return-Path",
    "MIME-Version",
)
_HEADER = re.compile(rb"(?:^|\n)[\x21-\x39\x3b-\x7e]{1,80}:")
# Read as text, as are parts that are several by their type, but have no border between them.
_TEXTS = ("message/delivery-status", "text/rfc822-headers")
_DEEPEST = 50  # parts inside each other
_MEANT = {
    **{"iso-8859-1": "cp1252", "latin-1": "cp1252", "us-ascii": "cp1252", "ascii": "cp1252"},
    **{"gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "ks_c_5601-1987": "cp949"},
    **{"iso-8859-8-i": "iso-8859-8", "unicode-1-1-utf-7": "utf-7", "x-unknown": "utf-8"},
}


def read_eml(stream: BinaryIO, whole: Whole) -> Records:
    """The subject is the title; `from`, `to`, `cc`, `date` and `message_id` are metadata."""
    try:
        raw = read_limited(stream)
        if not raw.strip():
            raise UnusableRecord("empty file")
        yield message_document(raw, whole)
    except UnusableRecord as error:
        yield Rejected(Place(whole.file), str(error))


def message_document(raw: bytes, whole: Whole) -> Document:
    """Raises UnusableRecord for what is no message, or has no text."""
    raw = raw.lstrip(b"\xef\xbb\xbf\r\n")
    if raw.startswith(b"From "):  # a line of an mbox before the headers
        raw = raw.partition(b"\n")[2]
    if not _HEADER.match(raw):
        raise UnusableRecord("not an e-mail: it does not begin with headers")
    message = parse(raw)
    if not any(name in message for name in _HEADERS):
        raise UnusableRecord(
            f"not an e-mail: expected one of the headers {', '.join(_HEADERS[:4])}"
        )
    subject = decoded(message, "Subject")
    notes: list[str] = []
    text = "\n\n".join(_texts(message, notes, 0)).strip()
    if not text:
        if not subject:
            raise UnusableRecord("an e-mail without text" + (f"; {notes[0]}" if notes else ""))
        text = subject
    return whole.document(text, subject, metadata=_metadata(message), notes=notes)


def parse(raw: bytes) -> Mail:
    # The older policy takes any header; the newer one raises at some.
    return message_from_bytes(raw, policy=policy.compat32)


def decoded(message: Mail, name: str) -> str:
    """A header with its encoded words decoded, each in its own charset."""
    # As it stands in the file; `get` would replace bytes that are not ASCII.
    items = message.raw_items()
    found = next((value for key, value in items if key.lower() == name.lower()), None)
    if found is None:
        return ""
    try:
        parts = decode_header(str(found))
    except (MessageError, ValueError):
        return " ".join(_repaired(str(found)).split())
    text = "".join(
        _decoded(part, charset) if isinstance(part, bytes) else _repaired(part)
        for part, charset in parts
    )
    return " ".join(text.replace("\0", "").split())


def _repaired(text: str) -> str:
    """A header with bytes that are not ASCII, which the parser keeps as surrogates."""
    return _decoded(text.encode("utf-8", "surrogateescape"), None)


def _decoded(raw: bytes, charset: str | None) -> str:
    """In the charset that is declared, else in UTF-8, else in the one that has a sign for every
    byte."""
    name = (charset or "utf-8").lower().strip("\"' ")
    for attempt in (_MEANT.get(name, name), "utf-8"):
        try:
            return raw.decode(attempt)
        except (LookupError, UnicodeError):
            continue
    return raw.decode("cp1252", "replace")


def _metadata(message: Mail) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key in ("from", "to", "cc"):
        if text := decoded(message, key):
            found[key] = text
            addresses = [address for _, address in getaddresses([text]) if "@" in address]
            if key == "from" and addresses:
                found["from_address"] = addresses[0].lower()
    if (date := _date(message)) is not None:
        found["date"] = date
    if id := decoded(message, "Message-ID").strip("<> "):
        found["message_id"] = id
    return found


def _date(message: Mail) -> datetime | None:
    """In UTC; a date that names no zone is taken as UTC."""
    try:
        found = parsedate_to_datetime(decoded(message, "Date"))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None


def _texts(message: Mail, notes: list[str], depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        notes.append(f"parts nested more than {_DEEPEST} deep are left out")
        return
    kind = message.get_content_type()
    if kind == "message/rfc822":
        for inner in _parts(message):
            yield _heading(inner)
            yield from _texts(inner, notes, depth + 1)
    elif kind == "multipart/alternative" and message.is_multipart():
        yield from _alternative(_parts(message), notes, depth)
    elif message.is_multipart():
        for part in _parts(message):
            yield from _texts(part, notes, depth + 1)
    elif kind in _TEXTS or message.get_content_maintype() == "multipart":
        yield _text(message)
    elif _is_attachment(message):
        _name(message, notes)
    elif kind == "text/html":
        yield to_markdown(_text(message))
    else:
        yield _text(message).strip("\n")


def _parts(message: Mail) -> list[Mail]:
    found: Any = message.get_payload() if message.is_multipart() else ()
    return list(found)


def _heading(message: Mail) -> str:
    """The headers of an attached message, as a reader shows them."""
    lines = [f"{name}: {text}" for name in _HEADERS[:4] if (text := decoded(message, name))]
    return "\n".join(lines)


def _alternative(parts: list[Any], notes: list[str], depth: int) -> Iterator[str]:
    """The first form that gives text, plain text before the others."""
    plain = [part for part in parts if part.get_content_type() == "text/plain"]
    for part in [*plain, *(p for p in reversed(parts) if p not in plain)]:
        named: list[str] = []
        if found := [text for text in _texts(part, named, depth + 1) if text.strip()]:
            yield from found
            notes.extend(named)
            # Attachments inside a form that is not shown, such as an invitation, are named too.
            for other in parts:
                if other is not part and _is_attachment(other) and not other.is_multipart():
                    _name(other, notes)
            return


def _is_attachment(part: Mail) -> bool:
    if part.get_content_maintype() != "text":
        return True
    return part.get_content_disposition() == "attachment"


def _name(part: Mail, notes: list[str]) -> None:
    kind = part.get_content_type()
    name = part.get_filename()
    if kind.startswith("image/") and part.get_content_disposition() != "attachment" and not name:
        return
    shown = " ".join(_header_text(name).split()) if name else kind
    notes.append(f"attachment {shown!r} is not read; save it as a file to ingest it")


def _header_text(text: str) -> str:
    holder = EmailMessage(policy=policy.compat32)
    holder["Subject"] = text
    return decoded(holder, "Subject")


def _text(part: Mail) -> str:
    try:
        raw = part.get_payload(decode=True)
    except (ValueError, MessageError):
        raw = None
    if not isinstance(raw, bytes):
        payload = part.get_payload()
        return _repaired(payload) if isinstance(payload, str) else ""
    text = _decoded(raw, part.get_content_charset())
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    if str(part.get_param("format", "")).lower() == "flowed":
        text = re.sub(r"(?<=\S) \n(?=[^>\s])(?!-- \n)", " ", text)
    return text
