"""The options of `leaf-ingest`, with what its help says of them."""

from pathlib import Path
from typing import Annotated, Any

import typer

from leafsearch.config.presets import PRESETS
from leafsearch.config.storage import ENCODE_PRECISIONS, PRECISIONS, QUANTIZATIONS, STORAGES
from leafsearch.ingest.chunking.chunker import DEFAULT_OVERLAP, DEFAULT_TOKENS
from leafsearch.ingest.pipeline.rejects import DEFAULT as REJECTS_FILE
from leafsearch.ingest.sources.files.formats import FORMATS
from leafsearch.vectors.store import RETRY_SECONDS


def _option(help: str, *names: str, metavar: str | None = None) -> Any:
    return typer.Option(*names, help=help, metavar=metavar, show_default=False)


Paths = Annotated[list[str] | None, typer.Argument(metavar="PATH", show_default=False)]
Uri = Annotated[
    str | None, _option("Default: MONGODB_URI, else the local deployment of leaf-mongo.")
]
Database = Annotated[str | None, _option("Default: leaf.")]
Collection = Annotated[str | None, _option("Default: chunks.")]
Preset = Annotated[
    str | None, _option(f"Teacher and student: {', '.join(PRESETS)}. Default: leaf-mt.")
]
Teacher = Annotated[
    str | None, _option("Model of the documents: hub name or folder. Needs --student.")
]
Student = Annotated[str | None, _option("Model of the queries: hub name or folder.")]
Storage = Annotated[str | None, _option(f"Stored form: {', '.join(STORAGES)}. Default: mrl256.")]
Dimensions = Annotated[int | None, _option("Keep only the first N.", metavar="N")]
Precision = Annotated[str | None, _option(f"One of {', '.join(PRECISIONS)}.")]
EncodePrecision = Annotated[
    str | None,
    _option(
        f"In which the teacher computes: {', '.join(ENCODE_PRECISIONS)}. Default: auto, by its "
        "device."
    ),
]
Quantization = Annotated[
    str | None, _option(f"By the server, of float32: {', '.join(QUANTIZATIONS)}.")
]
Filters = Annotated[
    list[str] | None,
    _option("Path to filter searches by, e.g. metadata.year; may be repeated.", "--filter-field"),
]
Hybrid = Annotated[bool, _option("Index the words as well, for leaf-search --hybrid.", "--hybrid")]
InPlace = Annotated[
    bool, _option("Vectors into the documents of a MongoDB collection themselves.", "--in-place")
]
Path_ = Annotated[
    str | None, _option("Field of the vector in place. Default: embedding.", "--path")
]
Follow = Annotated[bool, _option("Go on with what changes in a MongoDB collection.", "--follow")]
FilterSource = Annotated[
    str | None,
    _option("Only what this query finds in a MongoDB collection.", metavar="JSON"),
]
Format = Annotated[str | None, _option(f"Instead of the file's ending: {', '.join(FORMATS)}.")]
Include = Annotated[
    list[str] | None,
    _option("Of folders, only what matches, e.g. '*.md'; may be repeated.", metavar="GLOB"),
]
Exclude = Annotated[
    list[str] | None,
    _option("Of folders, nothing that matches, e.g. 'drafts/'; may be repeated.", metavar="GLOB"),
]
Source = Annotated[
    str | None,
    _option("What the documents are from. Default: name of the folder or file.", metavar="NAME"),
]
IdField = Annotated[str, _option("Default: id, or _id.")]
TextField = Annotated[str, _option("Default: text.")]
TitleField = Annotated[str, _option("Default: title.")]
ChunkTokens = Annotated[
    int | None, _option(f"Longest chunk. Default: {DEFAULT_TOKENS}.", metavar="N")
]
ChunkOverlap = Annotated[
    int | None, _option(f"Shared by neighbours. Default: {DEFAULT_OVERLAP}.", metavar="N")
]
HeadingTrail = Annotated[
    bool,
    _option("Encode each chunk behind the headings that it stands under.", "--heading-trail"),
]
Rejected = Annotated[
    Path, _option(f"File for records that cannot be used. Default: {REJECTS_FILE}.", "--rejects")
]
MaxRejects = Annotated[
    int | None, _option("Stop when more records are rejected. Default: any number.", metavar="N")
]
Prune = Annotated[
    bool, _option("Then remove what is stored of these sources and no longer in them.", "--prune")
]
Yes = Annotated[
    bool,
    _option("Prune, or move over after --rebuild, even if documents would be lost.", "--yes"),
]
Sharded = Annotated[
    str | None,
    _option("Only the i-th of n parts of the corpus, on machine i.", "--shard", metavar="i/n"),
]
DryRun = Annotated[
    bool, _option("Write nothing; tell what would be, what it takes and how long.", "--dry-run")
]
Wait = Annotated[
    float,
    _option("For the index to be ready; 0: do not wait. Default: 600.", metavar="SECONDS"),
]
Patience = Annotated[
    float,
    _option(
        f"Time for MongoDB, or a remote encoder, to come back. Default: {RETRY_SECONDS:g}.",
        metavar="SECONDS",
    ),
]
Home = Annotated[Path | None, _option("Folder of the local deployment.")]
AsJson = Annotated[bool, _option("Print the summary as one JSON object.", "--json")]
Rebuild = Annotated[
    bool,
    _option("Build other vectors beside those there; searches move over when done.", "--rebuild"),
]
Rollback = Annotated[
    bool, _option("Searches go back to the vectors from before a rebuild. No PATH.", "--rollback")
]
Retire = Annotated[
    bool, _option("Delete all vectors but those that searches ask. No PATH.", "--retire")
]
Repair = Annotated[
    bool,
    _option("Mend vectors and indexes that leaf-search doctor finds faulty. No PATH.", "--repair"),
]
All = Annotated[
    bool, _option("With --repair: encode every stored text again, faulty or not.", "--all")
]
