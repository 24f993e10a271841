"""The text files of a test collection, in a folder or in a zip file."""

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from leafsearch.evaluation.errors import EvalError


@dataclass(frozen=True)
class TextFile:
    """One text file of the collection, wherever it lies."""

    shown: str
    path: Path | zipfile.Path

    def lines(self) -> Iterator[tuple[str, str]]:
        """Each line that is not blank, with its place for messages."""
        with self.path.open("r", encoding="utf-8-sig") as opened:
            try:
                for number, line in enumerate(opened, 1):
                    if line.strip():
                        yield f"{self.shown}:{number}", line
            except UnicodeDecodeError as error:
                raise EvalError(f"{self.shown} is not UTF-8: {error}") from error


def find_files(path: Path) -> dict[str, TextFile]:
    """By the path inside the collection, whose files may lie in one folder of the zip."""
    if path.is_dir():
        found = [p for p in (*path.glob("*.jsonl"), *path.glob("qrels/*.tsv"))]
        return {p.relative_to(path).as_posix(): TextFile(str(p), p) for p in found}
    if not path.is_file():
        raise EvalError(f"{path}: no such folder or zip file; expected one in BEIR's format")
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise EvalError(f"{path} is no zip file; expected a folder or a zip file") from error
    root = next((str(PurePosixPath(n).parent) for n in archive.namelist() if _is_corpus(n)), ".")
    names = [n for n in archive.namelist() if n.endswith((".jsonl", ".tsv"))]
    inside = [n for n in names if root == "." or n.startswith(f"{root}/")]
    return {
        n if root == "." else n.removeprefix(f"{root}/"): TextFile(
            f"{path}/{n}", zipfile.Path(archive, n)
        )
        for n in inside
    }


def _is_corpus(name: str) -> bool:
    return PurePosixPath(name).name == "corpus.jsonl"


def demand_files(path: Path, files: Mapping[str, TextFile], wanted: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in files]
    if not missing:
        return
    splits = sorted(PurePosixPath(f).stem for f in files if f.startswith("qrels/"))
    hint = f"; --split can be {', '.join(splits)}" if splits and missing == [wanted[2]] else ""
    raise EvalError(
        f"{path} has no {', '.join(missing)}; expected {', '.join(wanted)}, as BEIR has them{hint}"
    )
