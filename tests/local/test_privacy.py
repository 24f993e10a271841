"""Only the owner of the folder can connect, and only a private folder is taken."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from local import LocalDeployment, LocalError
from local.home import Home


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_and_sockets_are_closed_to_others(deployment: LocalDeployment) -> None:
    home = Home.at(Path(deployment.status().home))

    for path in (home.root, home.data, home.log, home.sockets):
        assert mode(path) == 0o700, path
    for path in (home.gateway_socket, home.mongod_socket, home.state, home.server_lock):
        assert mode(path) & 0o077 == 0, path


def test_no_process_of_it_listens_on_a_port(deployment: LocalDeployment) -> None:
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


def test_a_folder_open_to_others_is_refused(folder: Path) -> None:
    home = folder / "home"
    home.mkdir()
    (home / "something").touch()
    home.chmod(0o755)

    with pytest.raises(LocalError, match=r"755.*chmod 700"):
        LocalDeployment(home).start()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a folder away")
def test_a_folder_of_another_user_is_refused(folder: Path) -> None:
    home = folder / "home"
    home.mkdir(mode=0o700)
    os.chown(home, 65534, 65534)

    with pytest.raises(LocalError, match="belongs to user id 65534"):
        LocalDeployment(home).start()


def test_an_empty_folder_is_made_private(folder: Path) -> None:
    home = folder / "home"
    home.mkdir()
    home.chmod(0o755)

    Home.at(home).prepare()

    assert mode(home) == 0o700


def test_a_long_path_has_its_sockets_in_a_short_private_folder(folder: Path) -> None:
    home = Home.at(folder / ("long" * 30))

    assert len(os.fsencode(home.gateway_socket)) <= 107
    assert home.sockets != Home.at(folder / ("other" * 30)).sockets


def test_a_deployment_under_a_long_path_answers(folder: Path) -> None:
    with LocalDeployment(folder / ("long" * 30)) as deployment:
        assert deployment.status().running
        sockets = Home.at(Path(deployment.status().home)).sockets
        assert mode(sockets) == 0o700
