"""The folder of a deployment: its paths, URIs and permissions, and the settings that name it."""

import hashlib
import os
import re
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import platformdirs
from dotenv import dotenv_values

from leafmongo.deployment import disk
from leafmongo.errors import LocalError

_ENV_FILE = ".env"
REPLICA_SET, USER = "leaf", "leaf"
LOOPBACK = "127.0.0.1"
_SUN_PATH = 107  # bytes of a Unix socket's path, from <sys/un.h>, without the final zero
_PLAIN = re.compile(r"[A-Za-z0-9_./-]+")  # what every driver accepts as a host without escaping


def variable(name: str) -> str | None:
    """From the environment, else from `.env` in the current folder; None if unset or empty."""
    return os.environ.get(name) or _read_env_file().get(name) or None


def _read_env_file() -> dict[str, str | None]:
    if not os.path.isfile(_ENV_FILE):
        return {}
    try:
        return dotenv_values(_ENV_FILE)
    except (OSError, ValueError) as error:
        raise LocalError(f"{Path(_ENV_FILE).absolute()}: cannot be read ({error})") from error


def default_home() -> Path:
    """`LEAF_HOME`, else the user's data folder."""
    given = variable("LEAF_HOME")
    return Path(given).expanduser() if given else platformdirs.user_data_path("leafsearch")


def gateway_home() -> Path:
    """The folder of a gateway in front of another MongoDB, beside that of the deployment."""
    beside = default_home()
    return beside.with_name(f"{beside.name}-gateway")


@dataclass(frozen=True)
class Home:
    """The paths of a deployment. `sockets` lies elsewhere if the path of the folder is too long."""

    root: Path
    sockets: Path

    @classmethod
    def at(cls, folder: Path) -> "Home":
        root = Path(os.path.abspath(folder.expanduser()))
        return cls(root, _socket_folder(root))

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def state(self) -> Path:
        return self.root / "state.json"

    @property
    def server_lock(self) -> Path:
        """Held by the server process while it runs; contains its process id."""
        return self.root / "server.lock"

    @property
    def start_lock(self) -> Path:
        """Held by a process that starts or stops the deployment, so that they take turns."""
        return self.root / "start.lock"

    @property
    def gateway_socket(self) -> Path:
        return self.sockets / "gateway.sock"

    @property
    def mongod_socket(self) -> Path:
        return self.sockets / "mongod.sock"

    @property
    def primary_socket(self) -> Path:
        """A link to `mongod_socket` that exists while mongod takes writes.

        A driver that connects during recovery would never use sessions on that connection.
        """
        return self.sockets / "primary.sock"

    @property
    def password_file(self) -> Path:
        return self.root / "password"

    @property
    def key_file(self) -> Path:
        """The key that the gateway logs in with if mongod asks for passwords."""
        return self.root / "keyfile"

    @property
    def password(self) -> str | None:
        """The user's password; None until the first start with a port."""
        try:
            return self.password_file.read_text().strip() or None
        except FileNotFoundError:
            return None

    @property
    def uri(self) -> str:
        return socket_uri(self.gateway_socket, self.password)

    def command(self, verb: str, port: int | None = None) -> str:
        """`leaf-mongo VERB` for this home, in backticks, ready to paste."""
        words = ["leaf-mongo", verb]
        if self.root != Home.at(default_home()).root:
            words += ["--home", str(self.root)]
        if port is not None:
            words += ["--port", str(port)]
        return f"`{shlex.join(words)}`"

    def port_uri(self, port: int) -> str:
        return port_uri(port, self.password)

    def prepare(self) -> None:
        """Create the folders; reject those that other users own or can read."""
        self.prepare_gateway()
        for folder in (self.data, self.log):
            _make_private(folder)

    def prepare_gateway(self) -> None:
        """Create the folders of a gateway that has no mongod of its own."""
        _make_private(self.root, adopt_empty=True)
        _make_private(self.sockets)


def socket_uri(socket: Path, password: str | None = None) -> str:
    return _uri(quote(str(socket), safe=""), password)


def port_uri(port: int, password: str | None = None) -> str:
    return _uri(f"{LOOPBACK}:{port}", password)


def _uri(address: str, password: str | None) -> str:
    login = f"{USER}:{quote(password, safe='')}@" if password else ""
    return f"mongodb://{login}{address}/?directConnection=true"


def _socket_folder(root: Path) -> Path:
    inside = root / "run"
    if _fits(inside):
        return inside
    name = f"leafsearch-{hashlib.sha256(os.fsencode(root)).hexdigest()[:12]}"
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    # After `su` it may still be the previous user's folder.
    usable = runtime and os.path.isdir(runtime) and os.access(runtime, os.W_OK | os.X_OK)
    if runtime and usable and _fits(Path(runtime) / name):
        return Path(runtime) / name
    return Path("/tmp") / f"{name}-{os.geteuid()}"


def _fits(folder: Path) -> bool:
    longest = os.fsencode(folder / "gateway.sock")
    return len(longest) <= _SUN_PATH and bool(_PLAIN.fullmatch(str(folder)))


def _make_private(folder: Path, *, adopt_empty: bool = False) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owners = {folder.lstat().st_uid, folder.stat().st_uid}  # of a link and of its target
        mode = folder.stat().st_mode
        readable = os.access(folder, os.R_OK | os.W_OK | os.X_OK, effective_ids=True)
    except OSError as error:
        if disk.is_full_disk(error):
            raise LocalError(disk.explain_full_disk(folder)) from error
        raise LocalError(
            f"{folder}: cannot be used as a folder of the deployment ({error.strerror}). "
            "Name another home with --home or LEAF_HOME"
        ) from error
    if others := owners - {os.geteuid()}:
        raise LocalError(
            f"{folder} belongs to user id {others.pop()}, not to you ({os.geteuid()}). "
            "Name another home with --home or LEAF_HOME"
        )
    if not stat.S_ISDIR(mode):
        raise LocalError(f"{folder}: not a folder. Name another home with --home or LEAF_HOME")
    mode = stat.S_IMODE(mode)
    if not readable:
        raise LocalError(
            f"{folder}: closed to you (mode {mode:o}); expected 700. Run `chmod 700 {folder}`"
        )
    if mode & 0o077 == 0:
        return
    if adopt_empty and not any(folder.iterdir()):
        folder.chmod(0o700)
        return
    raise LocalError(
        f"{folder}: open to other users (mode {mode:o}); expected 700. "
        f"Run `chmod 700 {folder}`, or name another home with --home or LEAF_HOME"
    )
