"""The options of `leaf-ingest` and its sub-commands, with their lines of help."""

from pathlib import Path
from typing import Annotated

import typer

from leafsearch.config.analyzers import CHOICES as ANALYZER_CHOICES
from leafsearch.config.cli import MODELS, STORAGE, option
from leafsearch.config.presets import PRESETS
from leafsearch.config.storage import (
    BESIDE,
    EDGE_CANDIDATES,
    ENCODE_PRECISIONS,
    INDEXING_METHODS,
    MAX_EDGES,
    PRECISIONS,
    QUANTIZATIONS,
    STORAGES,
)
from leafsearch.ingest.chunking.chunker import DEFAULT_OVERLAP, DEFAULT_TOKENS
from leafsearch.ingest.pipeline.rejects import DEFAULT as REJECTS_FILE
from leafsearch.ingest.sources.files.formats import FORMATS
from leafsearch.ingest.sources.readers.tables.column_types import COLUMN_TYPES
from leafsearch.vectors.store import CHOICES, RETRY_SECONDS

_FILES, _RECORDS, _MONGODB = "Files and folders", "Records", "MongoDB collections as a source"
_INDEX, _CHUNKS, _RUNS = "Search index", "Chunks", "Running"

Paths = Annotated[list[str], typer.Argument(metavar="PATH", show_default=False)]
Preset = Annotated[
    str | None,
    option(
        f"Use this pair of models: {', '.join(PRESETS)}. Default: leaf-mt.",
        metavar="NAME",
        values=list(PRESETS),
    ),
]
Storage = Annotated[
    str | None,
    option(
        f"Store vectors as {', '.join(STORAGES)}. Default: mrl256.",
        metavar="NAME",
        values=list(STORAGES),
    ),
]
Filters = Annotated[
    list[str] | None,
    option(
        "Declare a path to filter searches by, e.g. metadata.year; repeatable.",
        "--filter-field",
        metavar="PATH",
    ),
]
Hybrid = Annotated[bool, option("Index the words too, for leaf-search --hybrid.", "--hybrid")]
TextAnalyzer = Annotated[
    str | None,
    option(
        "Index the words as this analyzer finds them, such as lucene.english. Default with "
        "--hybrid: auto, by the language.",
        metavar="NAME",
        panel=_INDEX,
        values=ANALYZER_CHOICES,
    ),
]
Prune = Annotated[
    bool, option("Delete stored documents that are gone from their source.", "--prune")
]
DryRun = Annotated[
    bool, option("Write nothing; report what would change and how long it takes.", "--dry-run")
]
Rebuild = Annotated[
    bool,
    option("Rebuild with new settings beside the active vectors, then switch.", "--rebuild"),
]
AsJson = Annotated[bool, option("Print the summary as one JSON object.", "--json")]

Teacher = Annotated[
    str | None,
    option(
        "Encode documents with this model: hub name or folder. Needs --student.",
        metavar="MODEL",
        panel=MODELS,
    ),
]
Student = Annotated[
    str | None,
    option("Encode queries with this model: hub name or folder.", metavar="MODEL", panel=MODELS),
]
EncodePrecision = Annotated[
    str | None,
    option(
        f"Run the teacher in {', '.join(ENCODE_PRECISIONS)}. Default: auto, by its device.",
        metavar="NAME",
        panel=MODELS,
        values=ENCODE_PRECISIONS,
    ),
]
Dimensions = Annotated[
    int | None, option("Keep only the first N dimensions.", metavar="N", panel=STORAGE)
]
Precision = Annotated[
    str | None,
    option(
        f"Store each dimension as {', '.join(PRECISIONS)}.",
        metavar="NAME",
        panel=STORAGE,
        values=PRECISIONS,
    ),
]
Quantization = Annotated[
    str | None,
    option(
        f"Let the server quantize: {', '.join(QUANTIZATIONS)} (binary also with int8).",
        metavar="NAME",
        panel=STORAGE,
        values=QUANTIZATIONS,
    ),
]
IndexingMethodOption = Annotated[
    str | None,
    option(
        "Search a graph (hnsw) or compare with every vector (flat). Default: the server's, hnsw.",
        "--indexing-method",
        metavar="NAME",
        panel=_INDEX,
        values=INDEXING_METHODS,
    ),
]
HnswMaxEdges = Annotated[
    int | None,
    option(
        f"Connect each vector with up to N others in the graph, {MAX_EDGES[0]} to {MAX_EDGES[1]}. "
        f"Default: {MAX_EDGES[0]}.",
        metavar="N",
        panel=_INDEX,
    ),
]
HnswCandidates = Annotated[
    int | None,
    option(
        f"Choose these from N candidates, {EDGE_CANDIDATES[0]} to {EDGE_CANDIDATES[1]}. "
        f"Default: {EDGE_CANDIDATES[0]}.",
        metavar="N",
        panel=_INDEX,
    ),
]
StoredSource = Annotated[
    bool | None,
    option(
        "Keep what hits show in the index too, so that no document is looked up.",
        "--stored-source/--no-stored-source",
        panel=_INDEX,
    ),
]
Beside = Annotated[
    str | None,
    option(
        f"Store these vectors too, outside the index, to rescore bits: {', '.join(BESIDE)}.",
        metavar="NAME",
        panel=STORAGE,
        values=BESIDE,
    ),
]
Bytes = Annotated[
    int | None,
    option(
        "Choose the form that keeps the most in N bytes a chunk, measured on the first chunks.",
        "--bytes",
        metavar="N",
        panel=STORAGE,
    ),
]
TransformOption = Annotated[
    str | None,
    option(
        f"Rotate vectors before truncation: {', '.join(CHOICES)}. Default: auto, by measurement.",
        "--transform",
        metavar="NAME",
        panel=STORAGE,
        values=CHOICES,
    ),
]
Format = Annotated[
    str | None,
    option(
        f"Read files as {', '.join(FORMATS)}. Default: by their ending.",
        metavar="NAME",
        panel=_FILES,
        values=FORMATS,
    ),
]
Include = Annotated[
    list[str] | None,
    option(
        "Take only matching files of a folder, e.g. '*.md'; repeatable.",
        metavar="GLOB",
        panel=_FILES,
    ),
]
Exclude = Annotated[
    list[str] | None,
    option(
        "Skip matching files of a folder, e.g. 'drafts/'; repeatable.", metavar="GLOB", panel=_FILES
    ),
]
Source = Annotated[
    str | None,
    option(
        "Name the source of the documents. Default: name of the folder or file.",
        metavar="NAME",
        panel=_FILES,
    ),
]
Explain = Annotated[
    bool,
    option(
        "Show what is read of each file, and what is left out and why; write nothing.",
        "--explain",
        panel=_FILES,
    ),
]
IdField = Annotated[
    str, option("Read ids from this field. Default: id, or _id.", metavar="PATH", panel=_RECORDS)
]
TextField = Annotated[
    list[str] | None,
    option(
        "Read texts from this field; repeat it to join several. Default: text.",
        "--text-field",
        metavar="PATH",
        panel=_RECORDS,
    ),
]
TitleField = Annotated[
    str, option("Read titles from this field. Default: title.", metavar="PATH", panel=_RECORDS)
]
ColumnTypes = Annotated[
    list[str] | None,
    option(
        f"Read this column of CSV, TSV and sheets as {', '.join(COLUMN_TYPES)}; repeatable.",
        "--column-type",
        metavar="NAME=TYPE",
        panel=_RECORDS,
    ),
]
Rejected = Annotated[
    Path,
    option(
        f"Write rejected records to this file. Default: {REJECTS_FILE}.",
        "--rejects",
        metavar="FILE",
        panel=_RECORDS,
    ),
]
MaxRejects = Annotated[
    int | None,
    option(
        "Stop when more than N records are rejected. Default: no limit.",
        metavar="N",
        panel=_RECORDS,
    ),
]
InPlace = Annotated[
    bool,
    option(
        "Write vectors into the documents of the MongoDB collection.", "--in-place", panel=_MONGODB
    ),
]
VectorPath = Annotated[
    str | None,
    option(
        "Write vectors in place to this field. Default: embedding.",
        "--path",
        metavar="NAME",
        panel=_MONGODB,
    ),
]
Follow = Annotated[
    bool,
    option("Keep following the changes of a MongoDB collection.", "--follow", panel=_MONGODB),
]
FilterSource = Annotated[
    str | None,
    option("Take only what this query finds.", metavar="JSON", panel=_MONGODB),
]
ChunkTokens = Annotated[
    int | None,
    option(f"Limit chunks to N tokens. Default: {DEFAULT_TOKENS}.", metavar="N", panel=_CHUNKS),
]
ChunkOverlap = Annotated[
    int | None,
    option(
        f"Repeat N tokens in the next chunk. Default: {DEFAULT_OVERLAP}.",
        metavar="N",
        panel=_CHUNKS,
    ),
]
HeadingTrail = Annotated[
    bool,
    option("Encode each chunk after the headings above it.", "--heading-trail", panel=_CHUNKS),
]
Yes = Annotated[
    bool,
    option("Prune or switch even if documents would be lost.", "--yes", panel=_RUNS),
]
Sharded = Annotated[
    str | None,
    option("Take only part I of N of the corpus.", "--shard", metavar="I/N", panel=_RUNS),
]
Wait = Annotated[
    float,
    option(
        "Wait this long for the index; 0: do not wait. Default: 600.",
        metavar="SECONDS",
        panel=_RUNS,
    ),
]
RetryFor = Annotated[
    float,
    option(
        f"Keep retrying while MongoDB or a remote encoder is away. Default: {RETRY_SECONDS:g}.",
        metavar="SECONDS",
        panel=_RUNS,
    ),
]
All = Annotated[bool, option("Encode every stored text again, faulty or not.", "--all")]
