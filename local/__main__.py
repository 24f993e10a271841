"""`leaf-mongo`: parses, calls the deployment, prints."""

import json
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from local.background import serve_in_background
from local.deployment import LocalDeployment
from local.errors import LocalError
from local.home import Home, default_home, gateway_home
from local.status import Status

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="A MongoDB in a folder of yours that answers $vectorSearch. "
    "Exit codes: 0 done, 1 failed, 2 wrong usage.",
)
HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        help="Folder of the deployment. Default: LEAF_HOME, else the user's data folder.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def start(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Start the deployment in the background and print its URI."""
    with _one_line_errors():
        deployment = LocalDeployment(home)
        started = deployment.start()
        _say("started; `leaf-mongo stop` stops it" if started else "was already running")
        print(
            json.dumps({"started": started, "uri": deployment.uri}) if as_json else deployment.uri
        )


@app.command()
def stop(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Stop it cleanly. Its data stay."""
    with _one_line_errors():
        stopped = LocalDeployment(home).stop()
        _say("stopped" if stopped else "was not running")
        if as_json:
            print(json.dumps({"stopped": stopped}))


@app.command()
def uri(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Print the URI for drivers, whether it is running or not."""
    address = LocalDeployment(home).uri
    print(json.dumps({"uri": address}) if as_json else address)


@app.command()
def status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show processes, version and indexes, with the documents that could not be indexed."""
    with _one_line_errors():
        found = LocalDeployment(home).status()
        print(json.dumps(asdict(found)) if as_json else _as_text(found))


@app.command()
def run(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Run it in the foreground until Ctrl-C; print its URI when it is ready."""
    from local.server import serve  # the other commands need none of the engine

    with _one_line_errors():
        _log_to_stderr()
        place = Home.at(home if home is not None else default_home())
        place.prepare()

        def ready() -> None:
            _say("running; Ctrl-C stops it")
            print(json.dumps({"uri": place.uri}) if as_json else place.uri, flush=True)

        serve(place, ready)


@app.command()
def gateway(
    upstream: Annotated[
        str,
        typer.Option(
            envvar="LEAF_UPSTREAM",
            help="URI of a replica set, with its user, password and TLS. In the environment, "
            "other users of this machine cannot see it.",
            show_default=False,
            show_envvar=True,
        ),
    ],
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Listen on this port of 127.0.0.1 too; 0: any free one."
        ),
    ] = None,
    home: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the socket. Default: the deployment's with -gateway behind its name.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Give $vectorSearch to a MongoDB of your own, until Ctrl-C; print the URI to use instead."""
    from local.gateway import serve_gateway  # the other commands need none of the engine
    from local.upstream import Upstream

    with _one_line_errors():
        _log_to_stderr()
        place = Home.at(home if home is not None else gateway_home())
        place.prepare_gateway()

        def ready(uris: Sequence[str]) -> None:
            _say("running; Ctrl-C stops it")
            print(json.dumps({"uri": uris[0], "uris": uris}) if as_json else uris[0], flush=True)

        serve_gateway(place, Upstream(upstream), port, ready)


@app.command("_serve", hidden=True)
def _serve(home: Path, pipe: int) -> None:
    serve_in_background(Home.at(home), pipe)


def _as_text(found: Status) -> str:
    state = "running" if found.running else "not running"
    lines = [f"{state} in {found.home}", f"uri      {found.uri}"]
    if found.running:
        lines.append(f"mongod   {found.version}, process {found.mongod_pid} ({found.mongod})")
        lines.append(f"gateway  process {found.gateway_pid}")
    elif found.mongod_pid:
        lines.append(
            f"mongod   process {found.mongod_pid} was left over; `leaf-mongo stop` ends it"
        )
    for index in found.indexes:
        lines.append(
            f"index    {index.database}.{index.collection} {index.name}: {index.status}, "
            f"{index.vectors} vectors of {index.documents} documents"
        )
        lines += [f"         skipped {n}: {reason}" for reason, n in index.skipped.items()]
    return "\n".join(lines)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except LocalError as error:
        print(f"leaf-mongo: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.WARNING, format="leaf-mongo: %(message)s")
    logging.getLogger("pymongo").setLevel(logging.ERROR)


def _say(text: str) -> None:
    print(f"leaf-mongo: {text}", file=sys.stderr)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
