"""`leaf-ingest`: parses, wires the parts together, prints."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from config import ConfigError, Settings
from config.command import SOME_REJECTED, one_line_errors, settings
from config.presets import PRESETS
from config.storage import PRECISIONS, QUANTIZATIONS, STORAGES
from ingest.chunker import DEFAULT_OVERLAP, DEFAULT_TOKENS
from ingest.errors import SourceError
from ingest.pipeline import Summary, ingest
from ingest.records import Fields
from ingest.rejects import DEFAULT as REJECTS_FILE
from ingest.rejects import Rejects
from ingest.report import as_object, as_text, line, progress
from ingest.sources import FORMATS, Corpus
from ingest.target import Choices, check_filters, open_target
from local import LocalError
from local.fallback import fallback_uri
from vectors import connect

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def _option(help: str, *, metavar: str | None = None) -> Any:
    return typer.Option(help=help, metavar=metavar, show_default=False)


@app.command(no_args_is_help=True)
def command(
    paths: Annotated[list[str], typer.Argument(metavar="PATH", show_default=False)],
    uri: Annotated[
        str | None, _option("Default: MONGODB_URI, else the local deployment of leaf-mongo.")
    ] = None,
    database: Annotated[str | None, _option("Default: leaf.")] = None,
    collection: Annotated[str | None, _option("Default: chunks.")] = None,
    preset: Annotated[
        str | None, _option(f"Teacher and student: {', '.join(PRESETS)}. Default: leaf-mt.")
    ] = None,
    teacher: Annotated[
        str | None, _option("Model of the documents: hub name or folder. Needs --student.")
    ] = None,
    student: Annotated[str | None, _option("Model of the queries: hub name or folder.")] = None,
    storage: Annotated[
        str | None, _option(f"Stored form: {', '.join(STORAGES)}. Default: mrl256.")
    ] = None,
    dimensions: Annotated[int | None, _option("Keep only the first N.", metavar="N")] = None,
    precision: Annotated[str | None, _option(f"One of {', '.join(PRECISIONS)}.")] = None,
    quantization: Annotated[
        str | None, _option(f"By the server, of float32: {', '.join(QUANTIZATIONS)}.")
    ] = None,
    filter_field: Annotated[
        list[str] | None,
        _option("Path to filter searches by, e.g. metadata.year; may be repeated."),
    ] = None,
    hybrid: Annotated[
        bool, typer.Option("--hybrid", help="Index the words as well, for leaf-search --hybrid.")
    ] = False,
    format: Annotated[
        str | None, _option(f"Instead of the file's ending: {', '.join(FORMATS)}.")
    ] = None,
    id_field: Annotated[str, _option("Default: id, or _id.")] = "id",
    text_field: Annotated[str, _option("Default: text.")] = "text",
    title_field: Annotated[str, _option("Default: title.")] = "title",
    chunk_tokens: Annotated[
        int | None, _option(f"Longest chunk. Default: {DEFAULT_TOKENS}.", metavar="N")
    ] = None,
    chunk_overlap: Annotated[
        int | None, _option(f"Shared by neighbours. Default: {DEFAULT_OVERLAP}.", metavar="N")
    ] = None,
    rejects: Annotated[
        Path, _option(f"Records that cannot be used. Default: {REJECTS_FILE}.")
    ] = REJECTS_FILE,
    wait: Annotated[
        float,
        _option("For the index to be ready; 0: do not wait. Default: 600.", metavar="SECONDS"),
    ] = 600,
    home: Annotated[Path | None, _option("Folder of the local deployment.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON object.")
    ] = False,
) -> None:
    """Encode documents with the teacher and write them into a MongoDB vector index.

    PATH is a file (JSON Lines, CSV, TSV, text, Markdown), a folder of them, or - for JSON Lines
    on stdin. A JSON or CSV record has a `text`, perhaps an `id` and a `title`; all its other
    fields become metadata. Run it again after a change: only what is new gets encoded.

    Examples:

      leaf-ingest articles.jsonl --filter-field metadata.year

      leaf-ingest docs/ --preset offline --storage binary

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but some records were rejected.
    """
    with one_line_errors("leaf-ingest", LocalError):
        chosen = settings(
            mongodb_uri=uri,
            database=database,
            collection=collection,
            preset=preset,
            teacher=teacher,
            student=student,
            storage=storage,
            home=home,
        )
        choices = Choices(
            dimensions=dimensions,
            precision=_one_of("--precision", precision, PRECISIONS),
            quantization=_one_of("--quantization", quantization, QUANTIZATIONS),
            chunk_tokens=chunk_tokens,
            chunk_overlap=chunk_overlap,
            filters=filter_field or (),
            hybrid=hybrid,
        )
        check_filters(choices.filters)
        fields = Fields(id_field, text_field, title_field)
        corpus = Corpus(paths, fields, _one_of("--format", format, FORMATS))
        corpus.check()
        summary = _run(corpus, chosen, choices, Rejects(rejects), wait, as_json=as_json)
    raise typer.Exit(SOME_REJECTED if summary.rejected else 0)


def _run(
    corpus: Corpus,
    chosen: Settings,
    choices: Choices,
    rejects: Rejects,
    wait: float,
    *,
    as_json: bool,
) -> Summary:
    client = connect(chosen.uri or fallback_uri(chosen.home, _say))
    try:
        with progress() as told:
            told("opening the collection")
            target = open_target(client[chosen.database], chosen, choices)
            records = corpus.records()
            summary = ingest(records, target, rejects=rejects, told=lambda s: told(line(s)))
            _demand_documents(summary, corpus, rejects)
            target.ensure_index()
            if wait:
                target.collection.wait_until_ready(summary.last_written, seconds=wait, told=told)
        for ending, count in sorted(corpus.ignored.items()):
            _say(f"left out {count} files of another kind ({ending}); --format reads them all")
        if summary.rejected:
            _say(f"{summary.rejected} records were rejected; see {rejects.path}")
        print(as_object(summary, target) if as_json else as_text(summary, target))
    finally:
        rejects.close()
        client.close()
    return summary


def _demand_documents(summary: Summary, corpus: Corpus, rejects: Rejects) -> None:
    if summary.documents:
        return
    if rejects.count:
        raise SourceError(
            f"all {rejects.count} records were rejected, nothing was written; see {rejects.path}"
        )
    ignored = f" (only other kinds: {' '.join(sorted(corpus.ignored))})" if corpus.ignored else ""
    raise SourceError(f"no documents in {' '.join(corpus.paths)}{ignored}; nothing was written")


def _one_of(option: str, value: str | None, known: tuple[str, ...]) -> Any:
    if value is not None and value not in known:
        raise ConfigError([f"{option} {value}: expected one of {', '.join(known)}"])
    return value


def _say(text: str) -> None:
    print(f"leaf-ingest: {text}", file=sys.stderr)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
