"""`leaf-ingest`: parses, wires the parts together, prints."""

import typer

from config import Settings
from config.command import SOME_REJECTED, one_line_errors
from ingest import options as o
from ingest.choice import Choice
from ingest.choices import Choices
from ingest.order import Order
from ingest.pipeline import Summary
from ingest.records import Fields
from ingest.rejects import DEFAULT as REJECTS_FILE
from ingest.run import run, say
from local import LocalError
from local.fallback import fallback_uri
from vectors import connect

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command(no_args_is_help=True)
def command(
    paths: o.Paths,
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
    filters: o.Filters = None,
    hybrid: o.Hybrid = False,
    format: o.Format = None,
    include: o.Include = None,
    exclude: o.Exclude = None,
    source: o.Source = None,
    id_field: o.IdField = "id",
    text_field: o.TextField = "text",
    title_field: o.TitleField = "title",
    chunk_tokens: o.ChunkTokens = None,
    chunk_overlap: o.ChunkOverlap = None,
    rejects: o.Rejected = REJECTS_FILE,
    wait: o.Wait = 600,
    home: o.Home = None,
    as_json: o.AsJson = False,
) -> None:
    """Encode documents with the teacher and write them into a MongoDB vector index.

    PATH is a file (JSON Lines, JSON, CSV, TSV, Parquet, text, Markdown, HTML, PDF; also .gz or
    .zst of them), a folder of them, a BEIR zip, or - for JSON Lines on stdin. A record has a
    `text`, perhaps an `id` and a `title`; all its other fields become metadata. Run it again
    after a change: only what is new gets encoded.

    Examples:

      leaf-ingest articles.jsonl --filter-field metadata.year

      leaf-ingest docs/ --preset offline --storage binary

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but some records were rejected.
    """
    with one_line_errors("leaf-ingest", LocalError):
        choices = Choices(
            dimensions=dimensions,
            precision=precision,
            quantization=quantization,
            chunk_tokens=chunk_tokens,
            chunk_overlap=chunk_overlap,
            filters=filters or (),
            hybrid=hybrid,
        )
        order = Order(
            paths=paths,
            fields=Fields(id_field, text_field, title_field),
            format=format,
            choices=choices,
            rejects=rejects,
            wait=wait,
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
            home=home,
        )
        summary = _run(order, chosen, as_json=as_json)
    raise typer.Exit(SOME_REJECTED if summary.rejected else 0)


def _run(order: Order, chosen: Settings, *, as_json: bool) -> Summary:
    with connect(chosen.uri or fallback_uri(chosen.home, say)) as client:
        return run(order, chosen, client[chosen.database], as_json=as_json)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
