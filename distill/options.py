"""The options of `leaf-distill`, with what its help says of them."""

from pathlib import Path
from typing import Annotated, Any

import typer


def _option(help: str, *names: str, metavar: str | None = None) -> Any:
    return typer.Option(*names, help=help, metavar=metavar, show_default=False)


Texts = Annotated[
    list[str] | None,
    _option("File or folder of documents, as leaf-ingest takes them; may be repeated.", "--texts"),
]
Queries = Annotated[
    Path | None,
    _option("A query a line, or JSON Lines with text. Default: made of the documents."),
]
Teacher = Annotated[
    str | None, _option("Hub name, folder or package:NAME/FOLDER.", metavar="MODEL")
]
Out = Annotated[Path | None, _option("New folder for the student.", metavar="FOLDER")]
Work = Annotated[
    Path | None,
    _option(
        "What a killed run goes on from. Default: beside --out, removed at the end.",
        metavar="FOLDER",
    ),
]
Student = Annotated[
    str | None,
    _option("A small model to start from, instead of layers of the teacher.", metavar="MODEL"),
]
Layers = Annotated[
    str | None,
    _option("Layers of the teacher, e.g. 0,2,5. Default: half, evenly.", metavar="N,N,..."),
]
Examples = Annotated[int, _option("Texts to learn from, at most. Default: 50000.", metavar="N")]
Words = Annotated[int, _option("Longest text to learn from. Default: 32.", metavar="N")]
Cycles = Annotated[int, _option("Falls of the learning rate. Default: 1.", metavar="N")]
Epochs = Annotated[int, _option("In each cycle. Default: 3.", metavar="N")]
Batch = Annotated[int, _option("Texts of a step. Default: 32.", metavar="N")]
Rate = Annotated[
    float, _option("Highest learning rate. Default: 6e-4.", "--learning-rate", metavar="X")
]
Embeddings = Annotated[
    bool, _option("Train the embeddings of tokens as well.", "--train-embeddings")
]
Truncated = Annotated[
    str | None,
    _option("Dimensions to be near at as well, e.g. 256,128.", metavar="N,N,..."),
]
Bits = Annotated[float, _option("Weight of the loss for signs. Default: 0.", metavar="X")]
Seed = Annotated[int, _option("Default: 1.", metavar="N")]
Checkpoint = Annotated[
    float,
    _option("Between two points that a killed run goes on from. Default: 60.", metavar="SECONDS"),
]
Devices = Annotated[
    str | None,
    _option("As torch names them, e.g. cuda:0,cuda:1. Default: all GPUs, or the CPU."),
]
Evaluate = Annotated[
    list[Path] | None,
    _option(
        "Test collection in BEIR's format to measure with; may be repeated.",
        metavar="FOLDER_OR_ZIP",
    ),
]
IdField = Annotated[str, _option("Default: id, or _id.", metavar="NAME")]
TextField = Annotated[str, _option("Default: text.", metavar="NAME")]
TitleField = Annotated[str, _option("Default: title.", metavar="NAME")]
Home = Annotated[
    Path | None, _option("With --evaluate, without MONGODB_URI: folder of the local deployment.")
]
AsJson = Annotated[bool, _option("One JSON object at the end.", "--json")]
