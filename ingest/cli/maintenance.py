"""The sub-commands of `leaf-ingest` that read no documents: rollback, retire, repair."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import typer

from leafsearch.config import ConfigError, Settings
from leafsearch.config.cli import Collection, Database, Home, Uri, new_command
from leafsearch.config.command import SOME_REJECTED, one_line_errors, say_warnings, settings
from leafsearch.config.hint import line_of
from leafsearch.ingest.cli import options as o
from leafsearch.ingest.cli.console import say
from leafsearch.ingest.cli.request import seconds_problems
from leafsearch.ingest.generations.report import run_retire, run_rollback
from leafsearch.ingest.pipeline.rejects import DEFAULT as REJECTS_FILE
from leafsearch.ingest.pipeline.rejects import Rejects
from leafsearch.ingest.runs.repair import run_repair
from leafsearch.vectors.store import RETRY_SECONDS, RetryBudget, deployment_uri, open_client

rollback_app, register_rollback = new_command()
retire_app, register_retire = new_command()
repair_app, register_repair = new_command()


@register_rollback
def rollback(
    context: typer.Context,
    collection: Collection = None,
    uri: Uri = None,
    as_json: o.AsJson = False,
    wait: o.Wait = 600,
    retry_for: o.RetryFor = RETRY_SECONDS,
    database: Database = None,
    home: Home = None,
) -> None:
    """Switch searches back to the vectors from before a rebuild.

    Both generations stay; `leaf-ingest PATH --rebuild` with the settings of the newer one switches
    forward again.

    Exit codes: 0 done, 1 failed, 2 wrong usage.
    """
    with _errors(context):
        chosen = _settings(wait, retry_for, uri, database, collection, home)
        _finish(run_rollback, chosen, RetryBudget(retry_for), wait=wait, as_json=as_json)


@register_retire
def retire(
    context: typer.Context,
    collection: Collection = None,
    uri: Uri = None,
    as_json: o.AsJson = False,
    wait: o.Wait = 600,
    retry_for: o.RetryFor = RETRY_SECONDS,
    database: Database = None,
    home: Home = None,
) -> None:
    """Delete all generations of vectors except the active one.

    Exit codes: 0 done, 1 failed, 2 wrong usage.
    """
    with _errors(context):
        chosen = _settings(wait, retry_for, uri, database, collection, home)
        _finish(run_retire, chosen, RetryBudget(retry_for), wait=wait, as_json=as_json)


@register_repair
def repair(
    context: typer.Context,
    collection: Collection = None,
    uri: Uri = None,
    all_: o.All = False,
    as_json: o.AsJson = False,
    rejects: o.Rejected = REJECTS_FILE,
    wait: o.Wait = 600,
    retry_for: o.RetryFor = RETRY_SECONDS,
    database: Database = None,
    home: Home = None,
) -> None:
    """Repair the vectors and indexes that the doctor finds faulty.

    The teacher encodes the texts that are stored beside the vectors; their source is not needed.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but some records were rejected.
    """
    with _errors(context):
        chosen = _settings(wait, retry_for, uri, database, collection, home)
        if problems := list(Rejects(rejects).problems()):
            raise ConfigError(problems)
        with (
            open_client(deployment_uri(chosen, say)) as client,
            closing(Rejects(rejects)) as rejected,
        ):
            count = run_repair(
                client[chosen.database],
                chosen,
                rejected,
                everything=all_,
                wait=wait,
                retries=RetryBudget(retry_for),
                as_json=as_json,
            )
    raise typer.Exit(SOME_REJECTED if count else 0)


@contextmanager
def _errors(context: typer.Context) -> Iterator[None]:
    say_warnings("leaf-ingest")
    with one_line_errors("leaf-ingest", line=line_of("leaf-ingest", context), resumes=True):
        yield


def _finish(
    work: Callable[..., None],
    chosen: Settings,
    retries: RetryBudget,
    *,
    wait: float,
    as_json: bool,
) -> None:
    with open_client(deployment_uri(chosen, say)) as client:
        database = client[chosen.database]
        retries.run(lambda: work(database, chosen.collection, wait=wait, as_json=as_json))


def _settings(
    wait: float,
    retry_for: float,
    uri: str | None,
    database: str | None,
    collection: str | None,
    home: Path | None,
) -> Settings:
    """Raises ConfigError for options that can never be meant."""
    problems: list[str] = [
        *seconds_problems("--wait", wait),
        *seconds_problems("--retry-for", retry_for),
    ]
    if problems:
        raise ConfigError(problems, is_usage=True)
    named: dict[str, Any] = {"database": database, "collection": collection, "home": home}
    return settings(mongodb_uri=uri, **named)
