"""Subtitles: what is said, and when."""

import pytest

from leaftests.reading import read_one, reason_of

SRT = (
    "1\n00:00:01,500 --> 00:00:03,000\n<i>Hello there</i>\nmy friend.\n\n"
    "2\n00:01:02,000 --> 00:01:04,000 X1:40\n{\\an8}We must\n\n"
    "3\n00:01:05,000 --> 00:01:06,000\nopen valve 12\nin 1999\n\n4\n01:00:00,0 --> 01:00:01,0\n7.\n"
)
VTT = (
    "WEBVTT - Pump film\n\nNOTE by us\nnot shown\n\nSTYLE\n::cue { color: red }\n\nintro\n"
    "00:01.000 --> 00:03.000 align:start\n<v Ada Quill>Hello <c.loud>there</c> &amp; you.\n\n"
    "01:00:02.000 --> 01:00:04.000\n<00:19.000><b>Bye</b>!\n"
)


def test_srt() -> None:
    found = read_one(SRT.encode("utf-8-sig"), "srt")

    assert found.text == "Hello there my friend.\n\nWe must open valve 12 in 1999 7."
    assert [(m.offset, m.place) for m in found.marks] == [
        (0, {"time": "00:00:01"}),
        (24, {"time": "00:01:02"}),
    ]


def test_webvtt() -> None:
    found = read_one(VTT.replace("\n", "\r\n").encode(), "vtt")

    assert (found.title, found.text) == ("Pump film", "Ada Quill: Hello there & you.\n\nBye!")
    assert [m.place["time"] for m in found.marks] == ["00:00:01", "01:00:02"]


@pytest.mark.parametrize(
    ("form", "raw", "reason"),
    [
        ("srt", b"", "empty file"),
        ("srt", b"hello", "not SRT, or without words: no line with times"),
        ("vtt", b"WEBVTT\n", "not WebVTT, or without words: no line with times"),
        ("srt", b"\xe9", "not UTF-8 at byte 0"),
    ],
)
def test_what_holds_no_words_is_rejected(form: str, raw: bytes, reason: str) -> None:
    assert reason_of(raw, form).startswith(reason)
