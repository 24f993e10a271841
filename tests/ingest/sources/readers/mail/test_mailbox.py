"""mbox: one document a message, with an id that stays."""

import io

import pytest

from leafsearch.ingest import Document, Rejected
from leafsearch.ingest.errors import SourceError
from leafsearch.ingest.sources.readers import Whole
from leafsearch.ingest.sources.readers.mail import read_mbox

pytest.importorskip("html_to_markdown", reason="needs the extra [formats]")

LINE = b"From ann@example.org Tue Mar  3 10:00:00 2020\n"


def read(raw: bytes) -> list[Document | Rejected]:
    return list(read_mbox(io.BytesIO(raw), Whole("f", "mail/box.mbox", "mail")))


def test_each_message_is_a_document_with_a_stable_id() -> None:
    one = LINE + b"Message-ID: <1@x>\nSubject: One\n\nbody\n>From quoted\n>>From twice\n\n"
    two = LINE + b"Subject: Two\n\nFrom now on it is no border\n\nFrom here neither\n\n"
    again = LINE + b"Message-ID: <1@x>\nSubject: Again\n\nbody\n"

    found = read(one + two + again)

    assert [(d.id, d.title, str(d.place)) for d in found if isinstance(d, Document)] == [
        ("mail/box.mbox#1@x", "One", "f:1"),
        ("mail/box.mbox#2", "Two", "f:2"),
        ("mail/box.mbox#1@x#3", "Again", "f:3"),
    ]
    assert [d.text for d in found if isinstance(d, Document)] == [
        "body\nFrom quoted\n>From twice",
        "From now on it is no border\n\nFrom here neither",
        "body",
    ]


def test_a_message_that_cannot_be_read_is_a_reject_and_the_others_are_read() -> None:
    found = read(LINE + b"\nno headers\n\n" + LINE + b"Subject: s\n\nbody\n")

    assert isinstance(found[0], Rejected)
    assert (found[0].place.line, found[0].reason) == (
        1,
        "not an e-mail: it does not begin with headers",
    )
    assert isinstance(found[1], Document)


def test_what_is_no_mbox_is_an_error() -> None:
    with pytest.raises(SourceError, match="not an mbox: it does not begin with a line 'From '"):
        read(b"Subject: s\n\nbody\n")
    assert read(b"") == []
