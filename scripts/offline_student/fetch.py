"""Download packages of Debian, the Python Package Index and npm, and unpack them into a folder.

Nothing is installed: `apt-get download`, `dpkg -x` and `pip download` need write access to that
folder only.
"""

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class SourceMissing(Exception):
    """A source cannot be fetched here."""


@dataclass(frozen=True)
class Unpacked:
    package: str
    version: str
    root: Path


@dataclass(frozen=True)
class Downloads:
    folder: Path

    def debian(self, package: str) -> Unpacked:
        target = self.folder / "deb" / package
        target.mkdir(parents=True, exist_ok=True)
        archive = next(iter(target.glob("*.deb")), None)
        if archive is None:
            call(["apt-get", "download", "-q", package], f"Debian package {package}", target)
            archive = next(iter(target.glob("*.deb")))
        root = target / "root"
        if not root.exists():
            call(["dpkg", "-x", str(archive), str(root)], f"Debian package {package}", target)
        return Unpacked(package, archive.name.split("_")[1].replace("%3a", ":"), root)

    def wheel(self, package: str) -> Unpacked:
        name = package.partition("==")[0]
        target = self.folder / "wheel" / name
        target.mkdir(parents=True, exist_ok=True)
        if not any(target.glob("*.whl")):
            options = ["--no-deps", "--only-binary", ":all:", "--quiet", "--dest", str(target)]
            call([sys.executable, "-m", "pip", "download", *options, package], f"{package}", target)
        archive = next(iter(target.glob("*.whl")))
        root = target / "root"
        if not root.exists():
            with zipfile.ZipFile(archive) as files:
                files.extractall(root)
        return Unpacked(name, archive.name.split("-")[1], root)

    def npm(self, package: str) -> Unpacked:
        name, _, version = package.rpartition("@")
        target = self.folder / "npm" / name.replace("/", "-")
        root = target / "package"
        if not root.exists():
            target.mkdir(parents=True, exist_ok=True)
            archive = call(["npm", "pack", "--silent", package], f"npm package {package}", target)
            with tarfile.open(target / archive.strip()) as files:
                files.extractall(target, filter="data")
        return Unpacked(name, version, root)


def call(command: Sequence[str], what: str, folder: Path) -> str:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except OSError as error:
        raise SourceMissing(f"{what}: {command[0]} cannot be run ({error.strerror})") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise SourceMissing(f"{what}: {lines[-1]}")
    return done.stdout
