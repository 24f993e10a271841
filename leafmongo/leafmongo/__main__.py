"""The command line `leaf-mongo`."""

import json
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from leafmongo.deployment import disk
from leafmongo.deployment.background import serve_in_background
from leafmongo.deployment.deployment import LocalDeployment
from leafmongo.deployment.paths import Home, default_home, gateway_home, variable
from leafmongo.deployment.status import format_status, strip_control
from leafmongo.errors import LocalError
from leafmongo.indexes.profiles import NEWEST, PROFILES

app = typer.Typer(
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        print(f"leaf-mongo {version('leafmongo')}")
        raise typer.Exit


@app.callback()
def program(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Run a MongoDB in a folder that answers $vectorSearch, without Docker.

    LEAF_HOME, LEAF_MONGOD and LEAF_UPSTREAM may also be set in a file .env in this folder.

    Exit codes: 0 done, 1 failed, 2 wrong usage.
    """


def _require_profile(like: str | None) -> str | None:
    if like is not None and like not in PROFILES:
        raise typer.BadParameter(f"{like}: expected one of {', '.join(PROFILES)}")
    return like


HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="FOLDER",
        help="Folder of the deployment. Default: LEAF_HOME, else the user's data folder.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
PortOption = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=65535,
        metavar="N",
        help="Also listen on this port of 127.0.0.1, with a password; 0: any free port.",
        show_default=False,
    ),
]

LikeOption = Annotated[
    str | None,
    typer.Option(
        metavar="SERVER",
        help=f"Have the limits of this server: {', '.join(PROFILES)}. Default: {NEWEST}.",
        show_default=False,
        callback=_require_profile,
        autocompletion=lambda: list(PROFILES),
    ),
]


@app.command()
def start(
    home: HomeOption = None,
    port: PortOption = None,
    like: LikeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start the deployment in the background and print its URI."""
    with _one_line_errors():
        deployment = LocalDeployment(home, port=port, like=like)
        started = deployment.start()
        _say(
            f"started; {deployment.command('stop')} stops it" if started else "was already running"
        )
        address = deployment.tcp_uri or deployment.uri
        print(json.dumps({"started": started, "uri": address}) if as_json else address)


@app.command()
def stop(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Stop the deployment cleanly; its data stay."""
    with _one_line_errors():
        stopped = LocalDeployment(home).stop()
        _say("stopped" if stopped else "was not running")
        if as_json:
            print(json.dumps({"stopped": stopped}))


@app.command()
def uri(
    home: HomeOption = None,
    tcp: Annotated[bool, typer.Option("--tcp", help="Print the URI of the port.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print the URI for drivers.

    The URI has its password, and is the same whether the deployment runs or not.
    """
    with _one_line_errors():
        deployment = LocalDeployment(home)
        address = deployment.tcp_uri if tcp else deployment.uri
        if address is None:
            start = deployment.command("start", 0)
            raise LocalError(f"the deployment listens on no port. Start it with {start}")
        print(json.dumps({"uri": address}) if as_json else address)


@app.command()
def status(
    home: HomeOption = None,
    show_password: Annotated[
        bool, typer.Option("--show-password", help="Show the URIs with their password.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show processes, version and indexes.

    For each index it counts the documents that could not be indexed.
    """
    with _one_line_errors():
        deployment = LocalDeployment(home)
        state = deployment.status()
        if show_password:
            state = replace(state, uri=deployment.uri, tcp_uri=deployment.tcp_uri)
        print(json.dumps(asdict(state)) if as_json else format_status(state))


@app.command()
def run(
    home: HomeOption = None,
    port: PortOption = None,
    like: LikeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run the deployment in the foreground until Ctrl-C.

    The command prints the URI when the deployment is ready.
    """
    from leafmongo.deployment.server import serve  # other commands do not need the engine

    with _one_line_errors():
        _log_to_stderr()
        place = Home.at(home if home is not None else default_home())
        place.prepare()

        def on_ready() -> None:
            _say("running; Ctrl-C stops it")
            deployment = LocalDeployment(home)
            address = deployment.tcp_uri or deployment.uri
            print(json.dumps({"uri": address}) if as_json else address, flush=True)

        serve(place, port, on_ready, like or NEWEST)


@app.command()
def gateway(
    upstream: Annotated[
        str | None,
        typer.Option(
            envvar="LEAF_UPSTREAM",
            metavar="URI",
            help="URI of the replica set. Other users of this machine can read the command line, "
            "but not the environment.",
            show_default=False,
            show_envvar=True,
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            metavar="N",
            help="Also listen on this port of 127.0.0.1; 0: any free port.",
            show_default=False,
        ),
    ] = None,
    home: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder for the socket. Default: the deployment's folder with -gateway appended.",
            show_default=False,
        ),
    ] = None,
    like: LikeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add $vectorSearch to a MongoDB of your own until Ctrl-C.

    The command prints the URI to use instead of your own.
    """
    # Other commands do not need the engine.
    from leafmongo.deployment.gateway import serve_gateway
    from leafmongo.deployment.upstream import Upstream

    with _one_line_errors():
        if (uri := upstream or variable("LEAF_UPSTREAM")) is None:
            raise typer.BadParameter(
                "no upstream given; expected the URI of a MongoDB. Set --upstream or LEAF_UPSTREAM"
            )
        _log_to_stderr()
        place = Home.at(home if home is not None else gateway_home())
        place.prepare_gateway()

        def on_ready(uris: Sequence[str]) -> None:
            _say("running; Ctrl-C stops it")
            print(json.dumps({"uri": uris[0], "uris": uris}) if as_json else uris[0], flush=True)

        serve_gateway(place, Upstream(uri), port, on_ready, like or NEWEST)


@app.command("_serve", hidden=True)
def _serve(home: Path, pipe: int, port: int | None = None, like: str = NEWEST) -> None:
    serve_in_background(Home.at(home), pipe, port, like)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except LocalError as error:
        _fail(str(error))
    except OSError as error:
        _fail(disk.explain(error))
    except KeyboardInterrupt:
        sys.exit(130)


def _fail(reason: str) -> None:
    _say(reason)
    sys.exit(1)


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.WARNING, format="leaf-mongo: %(message)s")
    logging.getLogger("pymongo").setLevel(logging.ERROR)


def _say(text: str) -> None:
    """Print one line without control characters to stderr."""
    line = strip_control(text.replace("\n", " "))
    print(f"leaf-mongo: {line}", file=sys.stderr)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
