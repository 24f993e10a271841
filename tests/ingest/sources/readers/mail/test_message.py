"""E-mail: text, headers in any charset, parts inside parts, attachments."""

from datetime import UTC, datetime
from email.message import EmailMessage

import pytest

from leaftests.reading import read_one, reason_of

pytest.importorskip("html_to_markdown", reason="needs the extra [formats]")


def message(**headers: str) -> EmailMessage:
    found = EmailMessage()
    for name, value in {"subject": "Pumps", "from": "ann@example.org", **headers}.items():
        found[name.replace("_", "-")] = value
    return found


def test_headers_become_title_and_metadata() -> None:
    mail = message(
        subject="Grüße über Pumpen",
        to="b@x.org, C <c@x.org>",
        date="Tue, 3 Mar 2020 23:30:00 -0200",
        message_id="<1@x>",
    )
    mail.set_content("Liebe Bärbel,\n\n> quoted\n\nbis bald\n-- \nAnn\n")
    found = read_one(mail.as_bytes(), "eml", "box/1.eml")

    assert found.title == "Grüße über Pumpen"
    assert found.text == "Liebe Bärbel,\n\n> quoted\n\nbis bald\n-- \nAnn"
    assert found.metadata == {
        "title": "Grüße über Pumpen",
        "from": "ann@example.org",
        "from_address": "ann@example.org",
        "to": "b@x.org, C <c@x.org>",
        "date": datetime(2020, 3, 4, 1, 30, tzinfo=UTC),
        "message_id": "1@x",
        "path": "box/1.eml",
    }


@pytest.mark.parametrize(
    ("head", "body", "expected"),
    [
        ("Content-Type: text/plain; charset=windows-1251", "Привет".encode("cp1251"), "Привет"),
        ("Content-Type: text/plain; charset=gb2312", "泵".encode("gb18030"), "泵"),
        ("Content-Type: text/plain; charset=unheard", "café".encode(), "café"),
        ("Content-Type: text/plain", b"caf\xe9", "café"),
        ("Content-Type: text/plain; charset=utf-8", b"caf\xe9", "café"),
        (
            "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: "
            "quoted-printable",
            b"caf=E9 so=\nft",
            "café soft",
        ),
        ("Content-Transfer-Encoding: base64", b"cHVtcA==", "pump"),
        ("Content-Type: text/plain; format=flowed", b"one \nline\n\n> q\n", "one line\n\n> q"),
        ("Content-Type: text/html", b"<h1>T</h1><p>a<br>b</p>", "# T\n\na\nb"),
    ],
)
def test_text_is_read_in_its_charset_and_encoding(head: str, body: bytes, expected: str) -> None:
    raw = f"From: a@b\n{head}\n\n".encode() + body

    assert read_one(raw, "eml").text.replace("  \n", "\n") == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"=?iso-8859-1?Q?caf=E9?= =?utf-8?B?w6k=?=", "caféé"),
        (b"caf\xc3\xa9 raw", "café raw"),
        (b"caf\xe9 raw", "café raw"),
        (b"long\r\n folded", "long folded"),
        (b"=?unheard?Q?a?= b", "a b"),
        (b"=?utf-8?B?broken", "=?utf-8?B?broken"),
    ],
)
def test_subjects_are_decoded(header: bytes, expected: str) -> None:
    assert read_one(b"Subject: " + header + b"\r\n\r\nbody", "eml").title == expected


def test_plain_text_is_preferred_and_attachments_are_named() -> None:
    mail = message()
    mail.set_content("plain words")
    mail.add_alternative("<p>html words</p>", subtype="html")
    mail.add_attachment(b"x", maintype="application", subtype="pdf", filename="Pläne.pdf")
    inner = message(subject="Inner", **{"from": "z@x"})
    inner.set_content("inner words")
    mail.add_attachment(inner)
    found = read_one(mail.as_bytes(), "eml")

    assert found.text == "plain words\n\nFrom: z@x\nSubject: Inner\n\ninner words"
    assert found.notes == ["attachment 'Pläne.pdf' is not read; save it as a file to ingest it"]


def test_html_is_read_where_the_plain_part_is_empty() -> None:
    mail = message()
    mail.set_content("\n")
    mail.add_alternative("<p>html words</p>", subtype="html")

    assert read_one(mail.as_bytes(), "eml").text == "html words"


def test_a_message_without_a_body_is_its_subject() -> None:
    assert read_one(b"Subject: only this\n\n", "eml").text == "only this"


@pytest.mark.parametrize("date", ["", "yesterday", "Tue, 99 Foo 2020 10:00:00", "1 Jan 99999"])
def test_a_date_that_cannot_be_read_is_left_out(date: str) -> None:
    assert "date" not in read_one(f"From: a@b\nDate: {date}\n\nx".encode(), "eml").metadata


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "empty file"),
        (b"hello world\n", "not an e-mail: it does not begin with headers"),
        (b"\x00\x01\x02", "not an e-mail: it does not begin with headers"),
        (b"Foo: bar\n\nx", "not an e-mail: expected one of the headers From, Subject, Date, To"),
        (b"From: a@b\nContent-Type: application/pdf\n\nx", "an e-mail without text; attachment"),
    ],
)
def test_what_is_no_message_is_rejected(raw: bytes, reason: str) -> None:
    assert reason_of(raw, "eml").startswith(reason)


def test_parts_nested_without_end_are_bounded() -> None:
    raw = b"From: a@b\n" + b"Content-Type: message/rfc822\n\nFrom: a@b\n" * 300 + b"\nx"

    assert read_one(b"Subject: s\n" + raw, "eml").text
