"""`leaf-ingest PATH...`: parse the options, call one function, print."""

from typing import cast

import typer

from leafsearch.config.analyzers import full_name
from leafsearch.config.cli import Collection, Database, Home, Uri, new_command
from leafsearch.config.command import SOME_REJECTED, one_line_errors, say_warnings
from leafsearch.config.hint import line_of
from leafsearch.config.storage import IndexingMethod, IndexTuning
from leafsearch.ingest.cli import options as o
from leafsearch.ingest.cli.console import say
from leafsearch.ingest.cli.explain import explain
from leafsearch.ingest.cli.index_options import Choices
from leafsearch.ingest.cli.request import IngestRequest
from leafsearch.ingest.pipeline.rejects import DEFAULT as REJECTS_FILE
from leafsearch.ingest.runs.files import report_skipped
from leafsearch.ingest.runs.run import run
from leafsearch.ingest.sources.files.patterns import FilePatterns
from leafsearch.ingest.sources.files.records import Fields
from leafsearch.ingest.sources.mongodb.order import MongoOrder
from leafsearch.ingest.sources.readers.tables.columns import AskedTypes
from leafsearch.vectors.store import RETRY_SECONDS, RetryBudget, deployment_uri, open_client

app, register = new_command(no_args_is_help=True)


@register
def command(
    context: typer.Context,
    paths: o.Paths,
    collection: Collection = None,
    uri: Uri = None,
    preset: o.Preset = None,
    storage: o.Storage = None,
    filters: o.Filters = None,
    hybrid: o.Hybrid = False,
    prune: o.Prune = False,
    rebuild: o.Rebuild = False,
    dry_run: o.DryRun = False,
    as_json: o.AsJson = False,
    teacher: o.Teacher = None,
    student: o.Student = None,
    encode_precision: o.EncodePrecision = None,
    dimensions: o.Dimensions = None,
    precision: o.Precision = None,
    quantization: o.Quantization = None,
    beside: o.Beside = None,
    transform: o.TransformOption = None,
    most_bytes: o.Bytes = None,
    indexing_method: o.IndexingMethodOption = None,
    hnsw_max_edges: o.HnswMaxEdges = None,
    hnsw_candidates: o.HnswCandidates = None,
    stored_source: o.StoredSource = None,
    text_analyzer: o.TextAnalyzer = None,
    format: o.Format = None,
    include: o.Include = None,
    exclude: o.Exclude = None,
    source: o.Source = None,
    explained: o.Explain = False,
    id_field: o.IdField = "id",
    text_field: o.TextField = None,
    title_field: o.TitleField = "title",
    column_types: o.ColumnTypes = None,
    rejects: o.Rejected = REJECTS_FILE,
    max_rejects: o.MaxRejects = None,
    in_place: o.InPlace = False,
    path: o.VectorPath = None,
    follow: o.Follow = False,
    filter_source: o.FilterSource = None,
    chunk_tokens: o.ChunkTokens = None,
    chunk_overlap: o.ChunkOverlap = None,
    heading_trail: o.HeadingTrail = False,
    yes: o.Yes = False,
    shard: o.Sharded = None,
    wait: o.Wait = 600,
    retry_for: o.RetryFor = RETRY_SECONDS,
    database: Database = None,
    home: Home = None,
) -> None:
    """Encode documents with the teacher and write them into a MongoDB vector index.

    PATH is a file (JSON Lines, JSON, CSV, TSV, Parquet, workbooks, text, Markdown, HTML, PDF,
    Office documents, books, markup, notebooks, e-mail, subtitles, source code; also .gz, .zst,
    .bz2 or .xz of them), a folder or an archive of them (.zip, .tar), - for JSON Lines on
    stdin, or a MongoDB collection: mongodb://HOST/DATABASE.COLLECTION, or
    mongodb:DATABASE.COLLECTION for one in the deployment that is written to. A record has a `text`,
    perhaps an `id` and a `title`; all its other fields become metadata. Run it again after a
    change: only what is new gets encoded.

    Examples:

      leaf-ingest articles.jsonl --filter-field metadata.year

      leaf-ingest docs/ --preset offline --storage binary

      leaf-ingest mongodb:shop.articles --text-field body --in-place --follow

      leaf-ingest docs/ --rebuild --storage mrl256

      leaf-ingest ./rollback              (the folder, not the sub-command)

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but some records were rejected.
    """
    say_warnings("leaf-ingest")
    with one_line_errors("leaf-ingest", line=line_of("leaf-ingest", context), resumes=True):
        fields = Fields(id_field, text_field or "text", title_field)
        mongodb = MongoOrder(in_place=in_place, path=path, follow=follow, filter=filter_source)
        choices = Choices(
            dimensions=dimensions,
            precision=precision,
            quantization=quantization,
            beside=beside,
            transform=transform,
            most_bytes=most_bytes,
            chunk_tokens=chunk_tokens,
            chunk_overlap=chunk_overlap,
            filters=filters or (),
            hybrid=hybrid,
            heading_trail=heading_trail or None,
            in_place=mongodb.choice(fields),
            tuning=IndexTuning(
                indexing_method=cast(IndexingMethod | None, indexing_method),
                hnsw_max_edges=hnsw_max_edges,
                hnsw_candidates=hnsw_candidates,
                stored_source=stored_source,
            ),
            text_analyzer=full_name(text_analyzer) if text_analyzer else None,
        )
        order = IngestRequest(
            paths=paths,
            fields=fields,
            mongodb=mongodb,
            format=format,
            choices=choices,
            rejects=rejects,
            wait=wait,
            retries=RetryBudget(retry_for),
            max_rejects=max_rejects,
            prune=prune,
            yes=yes,
            sharded=shard,
            dry_run=dry_run,
            rebuild=rebuild,
            choice=FilePatterns(include or (), exclude or ()),
            source=source,
            column_types=AskedTypes.parse(column_types or ()),
            explain=explained,
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
        if explained:
            corpus = order.corpus()
            refused = explain(corpus, as_json=as_json)
            report_skipped(corpus)
            raise typer.Exit(SOME_REJECTED if refused else 0)
        with open_client(deployment_uri(chosen, say)) as client:
            rejected = run(order, chosen, client[chosen.database], as_json=as_json)
    raise typer.Exit(SOME_REJECTED if rejected else 0)
