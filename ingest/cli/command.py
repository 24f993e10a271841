"""`leaf-ingest`: parses, wires the parts together, prints."""

from collections.abc import Callable
from contextlib import closing

import typer

from leafsearch.config import Settings
from leafsearch.config.command import (
    SOME_REJECTED,
    leave_at_once,
    one_line_errors,
    say_warnings,
)
from leafsearch.config.hint import line_of
from leafsearch.config.usage import Command
from leafsearch.ingest.cli import options as o
from leafsearch.ingest.cli.console import say
from leafsearch.ingest.cli.index_options import Choices
from leafsearch.ingest.cli.request import Order
from leafsearch.ingest.cli.validate import demand_usage
from leafsearch.ingest.generations.report import run_retire, run_rollback
from leafsearch.ingest.pipeline.rejects import DEFAULT as REJECTS_FILE
from leafsearch.ingest.pipeline.rejects import Rejects
from leafsearch.ingest.runs.repair import run_repair
from leafsearch.ingest.runs.run import run
from leafsearch.ingest.sources.files.choice import Choice
from leafsearch.ingest.sources.files.records import Fields
from leafsearch.ingest.sources.mongodb.order import MongoOrder
from leafsearch.vectors.store import RETRY_SECONDS, RetryBudget, connected, deployment_uri

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command(cls=Command, no_args_is_help=True)
def command(
    context: typer.Context,
    paths: o.Paths = None,
    uri: o.Uri = None,
    database: o.Database = None,
    collection: o.Collection = None,
    preset: o.Preset = None,
    teacher: o.Teacher = None,
    student: o.Student = None,
    storage: o.Storage = None,
    dimensions: o.Dimensions = None,
    precision: o.Precision = None,
    quantization: o.Quantization = None,
    encode_precision: o.EncodePrecision = None,
    filters: o.Filters = None,
    hybrid: o.Hybrid = False,
    in_place: o.InPlace = False,
    path: o.Path_ = None,
    follow: o.Follow = False,
    filter_source: o.FilterSource = None,
    format: o.Format = None,
    include: o.Include = None,
    exclude: o.Exclude = None,
    source: o.Source = None,
    id_field: o.IdField = "id",
    text_field: o.TextField = "text",
    title_field: o.TitleField = "title",
    chunk_tokens: o.ChunkTokens = None,
    chunk_overlap: o.ChunkOverlap = None,
    heading_trail: o.HeadingTrail = False,
    rejects: o.Rejected = REJECTS_FILE,
    max_rejects: o.MaxRejects = None,
    prune: o.Prune = False,
    yes: o.Yes = False,
    shard: o.Sharded = None,
    dry_run: o.DryRun = False,
    rebuild: o.Rebuild = False,
    rollback: o.Rollback = False,
    retire: o.Retire = False,
    repair: o.Repair = False,
    all_: o.All = False,
    wait: o.Wait = 600,
    patience: o.Patience = RETRY_SECONDS,
    home: o.Home = None,
    as_json: o.AsJson = False,
) -> None:
    """Encode documents with the teacher and write them into a MongoDB vector index.

    PATH is a file (JSON Lines, JSON, CSV, TSV, Parquet, text, Markdown, HTML, PDF; also .gz or
    .zst of them), a folder of them, a BEIR zip, - for JSON Lines on stdin, or a MongoDB
    collection: mongodb://HOST/DATABASE.COLLECTION, or mongodb:DATABASE.COLLECTION for one in the
    deployment that is written to. A record has a `text`, perhaps an `id` and a `title`; all its
    other fields become metadata. Run it again after a change: only what is new gets encoded.

    Examples:

      leaf-ingest articles.jsonl --filter-field metadata.year

      leaf-ingest docs/ --preset offline --storage binary

      leaf-ingest mongodb:shop.articles --text-field body --in-place --follow

      leaf-ingest docs/ --rebuild --storage mrl256    (then --rollback or --retire)

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but some records were rejected.
    """
    demand_usage(context)
    say_warnings("leaf-ingest")
    with one_line_errors("leaf-ingest", line=line_of("leaf-ingest", context)):
        fields = Fields(id_field, text_field, title_field)
        mongodb = MongoOrder(in_place=in_place, path=path, follow=follow, filter=filter_source)
        choices = Choices(
            dimensions=dimensions,
            precision=precision,
            quantization=quantization,
            chunk_tokens=chunk_tokens,
            chunk_overlap=chunk_overlap,
            filters=filters or (),
            hybrid=hybrid,
            heading_trail=heading_trail or None,
            in_place=mongodb.choice(fields),
        )
        order = Order(
            paths=paths or [],
            fields=fields,
            mongodb=mongodb,
            format=format,
            choices=choices,
            rejects=rejects,
            wait=wait,
            retries=RetryBudget(patience),
            max_rejects=max_rejects,
            prune=prune,
            yes=yes,
            sharded=shard,
            dry_run=dry_run,
            rebuild=rebuild,
            choice=Choice(include or (), exclude or ()),
            source=source,
        )
        chosen = order.settled(
            mongodb_uri=uri,
            database=database,
            collection=collection,
            preset=preset,
            teacher=teacher,
            student=student,
            storage=storage,
            encode_precision=encode_precision,
            home=home,
        )
        if repair:
            rejected = _repair(order, chosen, everything=all_, as_json=as_json)
            raise typer.Exit(SOME_REJECTED if rejected else 0)
        if rollback or retire:
            _finish(run_rollback if rollback else run_retire, order, chosen, as_json=as_json)
            return
        rejected = _run(order, chosen, as_json=as_json)
    raise typer.Exit(SOME_REJECTED if rejected else 0)


def _run(order: Order, chosen: Settings, *, as_json: bool) -> int:
    with connected(deployment_uri(chosen, say)) as client:
        return run(order, chosen, client[chosen.database], as_json=as_json)


def _repair(order: Order, chosen: Settings, *, everything: bool, as_json: bool) -> int:
    with (
        connected(deployment_uri(chosen, say)) as client,
        closing(Rejects(order.rejects)) as rejects,
    ):
        return run_repair(
            client[chosen.database],
            chosen,
            rejects,
            everything=everything,
            wait=order.wait,
            retries=order.retries,
            as_json=as_json,
        )


def _finish(finish: Callable[..., None], order: Order, chosen: Settings, *, as_json: bool) -> None:
    with connected(deployment_uri(chosen, say)) as client:
        database = client[chosen.database]
        order.retries.run(
            lambda: finish(database, chosen.collection, wait=order.wait, as_json=as_json)
        )


def main() -> None:
    try:
        app()
    except SystemExit as end:
        # A reader may still wait for its input, and the driver for its servers.
        leave_at_once(end)
