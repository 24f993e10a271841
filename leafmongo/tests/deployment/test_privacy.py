"""Only the owner of the folder can connect, and the folder has to be private."""

import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from leafmongo import LocalDeployment, LocalError
from leafmongo.deployment.mongod import find_leftover
from leafmongo.deployment.paths import Home
from mongotests.searching import wait_for


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_and_sockets_are_closed_to_others(deployment: LocalDeployment) -> None:
    home = Home.at(Path(deployment.status().home))

    for path in (home.root, home.data, home.log, home.sockets):
        assert mode(path) == 0o700, path
    for path in (home.gateway_socket, home.mongod_socket, home.state, home.server_lock):
        assert mode(path) & 0o077 == 0, path


def test_no_process_listens_on_a_port(deployment: LocalDeployment) -> None:
    status = deployment.status()
    sockets = {
        os.readlink(entry)
        for pid in (status.gateway_pid, status.mongod_pid)
        for entry in Path(f"/proc/{pid}/fd").iterdir()
        if entry.is_symlink()
    }
    tables = [Path("/proc/net/tcp").read_text(), Path("/proc/net/tcp6").read_text()]
    inodes = {line.split()[9] for table in tables for line in table.splitlines()[1:]}

    assert sockets
    assert not {f"socket:[{inode}]" for inode in inodes} & sockets


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_another_user_cannot_connect(deployment: LocalDeployment) -> None:
    socket = Home.at(Path(deployment.status().home)).gateway_socket
    attempt = (
        "import os, socket; os.setgid(65534); os.setuid(65534)\n"
        f"try: socket.socket(socket.AF_UNIX).connect({str(socket)!r})\n"
        "except PermissionError: raise SystemExit(13)"
    )

    done = subprocess.run(["python3", "-c", attempt])

    assert done.returncode == 13


def test_folder_open_to_others_is_rejected(folder: Path) -> None:
    home = folder / "home"
    home.mkdir()
    (home / "something").touch()
    home.chmod(0o755)

    with pytest.raises(LocalError, match=r"755.*chmod 700"):
        LocalDeployment(home).start()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a folder away")
def test_folder_of_another_user_is_rejected(folder: Path) -> None:
    home = folder / "home"
    home.mkdir(mode=0o700)
    os.chown(home, 65534, 65534)

    with pytest.raises(LocalError, match="belongs to user id 65534"):
        LocalDeployment(home).start()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a folder away")
@pytest.mark.parametrize("name", ["log", "data", "run"])
def test_link_to_a_folder_of_another_user_is_rejected(folder: Path, name: str) -> None:
    home, others = folder / "in" / "home", folder / "others"
    home.mkdir(parents=True, mode=0o700)
    others.mkdir(mode=0o700)
    os.chown(others, 65534, 65534)
    (home / name).symlink_to(others)

    with pytest.raises(LocalError, match=f"{name} belongs to user id 65534, not to you"):
        LocalDeployment(home).start()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_inaccessible_folder_is_one_line(folder: Path) -> None:
    home = folder / "in" / "home"
    (home / "log").mkdir(parents=True)
    folder.chmod(0o755)
    for path, mode in ((home.parent, 0o755), (home, 0o700), (home / "log", 0o500)):
        os.chown(path, 65534, 65534)
        path.chmod(mode)
    deployment = LocalDeployment(home)

    with as_user(65533):
        for action in (deployment.start, deployment.stop, deployment.status):
            with pytest.raises(LocalError, match=rf"{home}\S* .*65534, not to you|{home}\S*: perm"):
                action()
        with pytest.raises(LocalError, match="permission denied"):
            assert deployment.uri
    with as_user(65534), pytest.raises(LocalError, match=r"log: closed to you \(mode 500\)"):
        deployment.start()


@contextmanager
def as_user(uid: int) -> Iterator[None]:
    os.setegid(uid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_process_of_another_user_is_not_our_mongod(folder: Path) -> None:
    """Its arguments do not matter."""
    home = Home.at(folder / "home")
    home.prepare()
    pretend = ["bash", "-c", "read", "--dbpath", str(home.data)]
    with subprocess.Popen(pretend, user=65534, stdin=subprocess.PIPE) as process:
        wait_for(lambda: b"--dbpath" in Path(f"/proc/{process.pid}/cmdline").read_bytes())

        assert find_leftover(home) is None
        assert LocalDeployment(home.root).stop() is False
        assert process.poll() is None
        process.kill()


def test_empty_folder_is_made_private(folder: Path) -> None:
    home = folder / "home"
    home.mkdir()
    home.chmod(0o755)

    Home.at(home).prepare()

    assert mode(home) == 0o700


def test_sockets_of_a_long_path_are_in_a_short_private_folder(folder: Path) -> None:
    home = Home.at(folder / ("long" * 30))

    assert len(os.fsencode(home.gateway_socket)) <= 107
    assert home.sockets != Home.at(folder / ("other" * 30)).sockets


def test_deployment_under_a_long_path_answers(folder: Path) -> None:
    with LocalDeployment(folder / ("long" * 30)) as deployment:
        assert deployment.status().running
        sockets = Home.at(Path(deployment.status().home)).sockets
        assert mode(sockets) == 0o700
