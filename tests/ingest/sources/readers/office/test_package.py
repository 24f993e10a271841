"""Files that are not what their ending says: damaged, encrypted, old, too large, another format."""

import io
import zipfile

import pytest

from leaftests.reading import DOCUMENTS, reason_of

pytest.importorskip("lxml", reason="needs the extra [formats]")

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
FORMS = ("docx", "pptx", "odt", "odp", "epub")


def zipped(**parts: bytes) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name.replace("__", "/").replace("_xml", ".xml"), content)
    return raw.getvalue()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "empty file"),
        (b"\0" * 512, "empty file"),
        (b"plain text, not a document", "not a {form}, or a damaged one"),
        (zipped(other_xml=b"<a/>"), "a zip without the parts of a {form}"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "encrypted {form}; expected one that"),
        (OLE + b"\0" * 600, "the old binary format"),
    ],
)
def test_what_is_no_document_is_rejected(form: str, raw: bytes, reason: str) -> None:
    assert reason_of(raw, form).startswith(reason.format(form=form))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("part", [0.3, 0.7, 0.98])
def test_a_document_that_is_cut_off_is_rejected(form: str, part: float) -> None:
    name = {"pptx": "pandoc.pptx", "odp": "libreoffice.odp"}.get(form, f"pandoc.{form}")
    raw = (DOCUMENTS / name).read_bytes()

    assert reason_of(raw[: int(len(raw) * part)], form) == f"damaged {form}: it is cut off"


def test_an_old_binary_document_says_what_to_convert_it_with() -> None:
    raw = (DOCUMENTS / "libreoffice.doc").read_bytes()

    assert reason_of(raw, "docx") == (
        "the old binary format (.doc), not docx; convert it first: "
        "soffice --headless --convert-to docx FILE"
    )


@pytest.mark.parametrize(
    ("name", "form", "reason"),
    [
        ("pandoc.pptx", "docx", "is pptx, not docx; rename it or give --format pptx"),
        ("pandoc.odt", "docx", "is odt, not docx; rename it or give --format odt"),
        ("pandoc.docx", "odt", "is docx, not odt; rename it or give --format docx"),
        ("pandoc.epub", "odp", "is epub, not odp; rename it or give --format epub"),
        ("libreoffice.odp", "odt", "is odp, not odt; rename it or give --format odp"),
        ("pandoc.docx", "epub", "is docx, not epub; rename it or give --format docx"),
    ],
)
def test_another_format_is_named(name: str, form: str, reason: str) -> None:
    assert reason_of((DOCUMENTS / name).read_bytes(), form) == reason


def test_broken_xml_is_rejected() -> None:
    assert reason_of(zipped(word__document_xml=b"<w:document"), "docx") == (
        "damaged docx: word/document.xml is not XML"
    )


def test_an_encrypted_opendocument_is_rejected() -> None:
    manifest = b"<m><file-entry><encryption-data/></file-entry></m>"
    raw = zipped(content_xml=b"\x12\x34", **{"META-INF__manifest_xml": manifest})

    assert reason_of(raw, "odt") == "encrypted odt; expected one that opens without a password"


def test_a_book_with_copy_protection_is_rejected() -> None:
    container = b'<c><rootfiles><rootfile full-path="a.opf"/></rootfiles></c>'
    package = (
        b'<package><manifest><item id="i" href="c.xhtml" media-type="application/xhtml+xml"/>'
        b'</manifest><spine><itemref idref="i"/></spine></package>'
    )
    protection = (
        b'<encryption><EncryptedData><EncryptionMethod Algorithm="aes"/><CipherData>'
        b'<CipherReference URI="c.xhtml"/></CipherData></EncryptedData></encryption>'
    )
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("META-INF/encryption.xml", protection)
        archive.writestr("a.opf", package)
        archive.writestr("c.xhtml", b"\x01\x02")

    assert reason_of(raw.getvalue(), "epub") == (
        "an epub with copy protection; expected one without"
    )


@pytest.mark.long
def test_a_zip_bomb_is_rejected_before_it_fills_the_memory() -> None:
    text = b"<w:t>" + b"0" * 2**20 * 130 + b"</w:t>"
    raw = zipped(word__document_xml=b"<w:document>" + text + b"</w:document>")

    assert len(raw) < 2**18
    assert reason_of(raw, "docx").startswith("docx of more than 134217728 unpacked bytes")


def test_entities_are_not_resolved() -> None:
    bomb = (
        b'<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
        b'<!ENTITY f SYSTEM "file:///etc/hostname">]>'
        b"<document><body><p><r><t>seen &b;&f;</t></r></p></body></document>"
    )
    assert "aaaa" not in str(reason_or_text(zipped(word__document_xml=bomb)))


def reason_or_text(raw: bytes) -> str:
    from leaftests.reading import read_all

    (found,) = read_all(raw, "docx")
    return getattr(found, "text", "") or getattr(found, "reason", "")
