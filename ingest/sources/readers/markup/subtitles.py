"""Subtitles, SRT and WebVTT: what is said, with the time at which it begins as its place.

Numbers, positions, styles and tags are left out; a speaker that WebVTT names stands before the
words. Cues that continue a sentence share a paragraph.
"""

import html
import re
from collections.abc import Iterator
from typing import BinaryIO

from leafsearch.ingest.document import Place, Records, Rejected
from leafsearch.ingest.sources.files.records import UnusableRecord
from leafsearch.ingest.sources.readers.markup.markdown import MarkdownText, clean
from leafsearch.ingest.sources.readers.text import Whole, decode, read_limited

_TIMING = re.compile(
    r"[ \t]*(?:(\d{1,4}):)?(\d{1,2}):(\d{2})(?:[.,:](\d{1,3}))?[ \t]*-{1,2}>[ \t]*"
    r"(?:\d{1,4}:)?\d{1,2}:\d{2}(?:[.,:]\d{1,3})?[^\n]*\Z"
)
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?[ \t]+([^>]+)>")
_TAG = re.compile(r"</?[a-zA-Z][^<>\n]*>|</>|<[\d:.]+>|\{\\[^}]*\}|\{/?[ibuy]:?[^}]*\}")
_META = re.compile(r"(?:NOTE|STYLE|REGION)(?:[ \t]|\Z)")
_END = re.compile(r"[.!?…。！？][\"'”’)\]]*\Z")
_LONGEST = 600  # characters of a paragraph that has no end of a sentence
_TITLE = re.compile(r"\AWEBVTT[ \t]+-?[ \t]*(\S.*)")
_KIND = {"srt": "SRT", "vtt": "WebVTT"}


def read_subtitles(stream: BinaryIO, whole: Whole, form: str) -> Records:
    """`form` is srt or vtt. The title is that of the WebVTT head, if it has one."""
    try:
        raw = read_limited(stream)
        text = decode(raw).lstrip("\ufeff").replace("\r", "\n").replace("\u2028", "\n")
        if not text.strip():
            raise UnusableRecord("empty file")
        written = _written(text)
        if not written.text:
            raise UnusableRecord(f"not {_KIND[form]}, or without words: no line with times")
        found = _TITLE.match(text) if form == "vtt" else None
        yield whole.document(written.text, found[1].strip() if found else "", marks=written.marks)
    except UnusableRecord as error:
        yield Rejected(Place(whole.file), str(error))


def _written(text: str) -> MarkdownText:
    out = MarkdownText()
    begun, said = "", ""
    for time, words in _cues(text):
        if said.endswith(words) and words:  # a cue that repeats the last line, as live ones do
            continue
        if not said:
            begun = time
        joined = f"{said} {words}".strip()
        if _END.search(joined) or len(joined) > _LONGEST:
            out.mark(time=begun)
            out.paragraph(joined)
            said = ""
        else:
            said = joined
    if said:
        out.mark(time=begun)
        out.paragraph(said)
    return out


def _cues(text: str) -> Iterator[tuple[str, str]]:
    """The time and the words of each cue. A line that only numbers the next cue is left out."""
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        timing = _TIMING.match(lines[at])
        at += 1
        if timing is None:
            continue
        words = []
        while at < len(lines) and not _TIMING.match(lines[at]):
            words.append(lines[at])
            at += 1
        yield _time(timing), _words(_own(words, ended=at < len(lines)))


def _own(lines: list[str], *, ended: bool) -> list[str]:
    """The lines of a cue without what stands before the next one: its number, notes, styles."""
    blocks: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            blocks[-1].append(line)
        elif blocks[-1]:
            blocks.append([])
    blocks = [block for block in blocks if block and not _META.match(block[0])]
    if not blocks:
        return []
    last = blocks[-1]
    is_number = last[-1].strip().isdecimal()
    is_name = len(last) == 1 and len(blocks) > 1
    if ended and (is_name or is_number):  # of the next cue
        last.pop()
    return [line for block in blocks for line in block]


def _words(lines: list[str]) -> str:
    text = "\n".join(lines)
    text = _VOICE.sub(lambda voice: f"{voice[1].strip()}: ", text)
    return " ".join(clean(html.unescape(_TAG.sub("", text))).split())


def _time(timing: re.Match[str]) -> str:
    hours, minutes, seconds = timing[1] or "0", timing[2], timing[3]
    return f"{int(hours):02}:{int(minutes):02}:{seconds}"
