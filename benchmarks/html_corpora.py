"""Documentation pages of each generator, and marked news pages, fetched into a folder and kept.

Debian packages are downloaded and unpacked, not installed. pandoc and man2html come from such
packages and run here; Docusaurus comes from npm and builds its own template. What cannot be had is
skipped, and `missing` says why.
"""

import gzip
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import distributions
from pathlib import Path
from typing import TypeVar

Set = TypeVar("Set")

CACHE = Path(os.environ.get("LEAF_BENCH_CACHE", "~/.cache/leafsearch-bench")).expanduser() / "html"
DATA = Path(os.environ.get("LEAF_TEST_DATA", "../shared/data"))


@dataclass(frozen=True)
class PageSet:
    """`pages` are files below a package's folder; `second` sets were looked at last."""

    name: str
    generator: str
    pages: str = "**/*.html"
    second: bool = False


DEBIAN: Sequence[PageSet] = (
    PageSet("debian-faq", "docbook", "**/*.en.html"),
    PageSet("debian-faq-zh-cn", "docbook"),
    PageSet("debian-faq-ja", "docbook"),
    PageSet("debian-faq-ru", "docbook"),
    PageSet("debian-reference-en", "docbook"),
    PageSet("debian-reference-zh-cn", "docbook"),
    PageSet("maint-guide", "docbook"),
    PageSet("maint-guide-ja", "docbook"),
    PageSet("postgresql-doc-15", "docbook"),
    PageSet("developers-reference", "sphinx"),
    PageSet("developers-reference-ja", "sphinx"),
    PageSet("python3.11-doc", "sphinx", "**/html/[hlrt]*/*.html"),
    PageSet("git-doc", "asciidoctor"),
    PageSet("libdvbv5-doc", "doxygen"),
    PageSet("openjdk-17-doc", "javadoc", "**/java/util/[A-Z]*.html"),
    PageSet("rust-doc", "rustdoc", "**/html/std/*/struct.*.html"),
    PageSet("mkdocs-doc", "mkdocs"),
    PageSet("debian-faq-de", "docbook", second=True),
    PageSet("python-markdown-doc", "sphinx", second=True),
    PageSet("doxygen-doc", "doxygen", second=True),
    PageSet("liblog4cplus-doc", "doxygen", second=True),
    PageSet("libcommons-validator-java-doc", "javadoc", second=True),
    PageSet("libxbean-java-doc", "javadoc", second=True),
    PageSet("mkdocs-literate-nav-doc", "mkdocs", second=True),
    PageSet("python-djangorestframework-doc", "mkdocs", second=True),
    PageSet("octave-doc", "texinfo", second=True),
)


@dataclass(frozen=True)
class Pages:
    name: str
    generator: str
    second: bool
    pages: Sequence[bytes]


@dataclass
class Corpora:
    """`most` pages of a set, evenly spaced over its files; of the sets in `only`, if it has any."""

    most: int
    only: Sequence[str] = ()
    cache: Path = CACHE
    missing: dict[str, str] = field(default_factory=dict)

    def documentation(self) -> Iterator[Pages]:
        for wanted in self._wanted(DEBIAN, lambda wanted: wanted.name):
            if found := self._tried(wanted.name, lambda w=wanted: self._debian(w)):
                yield Pages(wanted.name, wanted.generator, wanted.second, found)
        made: Mapping[str, Callable[[], Sequence[bytes]]] = {
            "pandoc": self._pandoc,
            "github": self._github,
            "man2html": self._man2html,
            "docusaurus": self._docusaurus,
        }
        for name, make in self._wanted(made.items(), lambda item: item[0]):
            if found := self._tried(name, make):
                yield Pages(name, name, False, found)

    def _wanted(self, sets: Iterable[Set], name: Callable[[Set], str]) -> Iterator[Set]:
        return (wanted for wanted in sets if not self.only or name(wanted) in self.only)

    def _tried(self, name: str, make: Callable[[], Sequence[bytes]]) -> Sequence[bytes]:
        try:
            return make()
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", None) or str(error)
            self.missing[name] = " ".join(str(said).split())[:200]
            return []

    def _debian(self, wanted: PageSet) -> Sequence[bytes]:
        folder = self._package(wanted.name)
        files = (f for f in folder.glob(wanted.pages) if f.is_file() and not f.is_symlink())
        pages = [raw for f in spread(sorted(files), self.most) if _is_page(raw := f.read_bytes())]
        if not pages:
            raise OSError(f"no pages like {wanted.pages}")
        return pages

    def _package(self, name: str) -> Path:
        """The folder of an unpacked Debian package."""
        folder = self.cache / name
        if not folder.is_dir():
            with tempfile.TemporaryDirectory() as there:
                run = subprocess.run
                options = ["-o", "APT::Sandbox::User=root"]
                run(
                    ["apt-get", *options, "download", name],
                    cwd=there, check=True, capture_output=True, text=True, timeout=600,
                )  # fmt: skip
                (package,) = Path(there).glob("*.deb")
                run(["dpkg", "-x", package, Path(there, "x")], check=True, capture_output=True)
                folder.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(Path(there, "x"), folder)
        return folder

    def _pandoc(self) -> Sequence[bytes]:
        program = self._package("pandoc") / "usr/bin/pandoc"
        command = [program, "--standalone", "--toc", "--from", "markdown", "--to", "html5"]
        return [
            subprocess.run(
                [*command, "--metadata", f"title={name}"],
                input=text.encode(), capture_output=True, check=True, timeout=120,
            ).stdout
            for name, text in readmes(self.most)
        ]  # fmt: skip

    def _man2html(self) -> Sequence[bytes]:
        program = self._package("man2html-base") / "usr/bin/man2html"
        manuals = sorted((self._package("manpages") / "usr/share/man/man7").glob("*.7.gz"))
        pages = []
        for manual in spread(manuals, self.most):
            made = subprocess.run(
                [program], input=gzip.decompress(manual.read_bytes()),
                capture_output=True, check=True, timeout=60,
            ).stdout  # fmt: skip
            if b"<H1>" in made:
                pages.append(made.partition(b"\n\n")[2])  # behind the header for a web server
        return pages

    def _github(self) -> Sequence[bytes]:
        try:
            import cmarkgfm
        except ImportError as error:
            raise OSError("needs cmarkgfm: scripts/install ... bench") from error
        from benchmarks.github_page import as_page

        return [
            as_page(name, cmarkgfm.github_flavored_markdown_to_html(text)).encode()
            for name, text in readmes(self.most)
        ]

    def _docusaurus(self) -> Sequence[bytes]:
        site = self.cache / "docusaurus"
        if not (site / "build").is_dir():
            shutil.rmtree(site, ignore_errors=True)
            site.parent.mkdir(parents=True, exist_ok=True)
            create = ["npx", "--yes", "create-docusaurus@3", "docusaurus", "classic"]
            for command, where in (
                ([*create, "--javascript"], site.parent),
                (["npx", "docusaurus", "build"], site),
            ):
                subprocess.run(
                    command, cwd=where, check=True, capture_output=True, text=True, timeout=900
                )
        files = sorted((site / "build" / "docs").rglob("*.html"))
        return [f.read_bytes() for f in spread(files, self.most)]


def readmes(most: int) -> Iterator[tuple[str, str]]:
    """Markdown descriptions of the Python packages that are installed here, longest first."""
    found = {}
    for package in distributions():
        kind = package.metadata.get("Description-Content-Type") or ""
        text = package.metadata.get_payload()  # type: ignore[attr-defined]
        if kind.startswith("text/markdown") and isinstance(text, str) and len(text) > 1500:
            found[package.name] = text
    names = sorted(found, key=lambda name: (-len(found[name]), name))
    for name in sorted(names[: max(most, 1)]):
        yield name, found[name]


@dataclass(frozen=True)
class Article:
    page: bytes
    text: str


def news(most: int) -> tuple[list[Article], list[Article]]:
    """Two halves: the one to develop on, and the one that is only reported."""
    folder = DATA / "news"
    if not (folder / "truth.json").is_file():
        return [], []
    truth = json.loads((folder / "truth.json").read_text())
    found = [
        Article(gzip.decompress((folder / "html" / f"{id}.html.gz").read_bytes()),
                truth[id]["articleBody"])
        for id in sorted(truth)
    ]  # fmt: skip
    return found[::2][:most], found[1::2][:most]


def spread(files: Sequence[Path], most: int) -> Sequence[Path]:
    step = max(1, len(files) / most)
    return [files[int(i * step)] for i in range(min(most, len(files)))]


def _is_page(raw: bytes) -> bool:
    """Whether it is more than a redirection, a frame or a template."""
    start = raw[:3000].lower()
    return len(raw) > 500 and b"<html" in start and b'http-equiv="refresh"' not in start
