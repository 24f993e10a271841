"""`scripts/measure-published-pair`: parse the options, measure, print."""

import os
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from pymongo import MongoClient

from leafsearch.config import PRESETS
from leafsearch.config.cli import MODELS, Home, Uri, new_command, option
from leafsearch.config.command import one_line_errors, say, say_warnings, settings
from leafsearch.evaluation import read_collection
from leafsearch.vectors import connect
from leafsearch.vectors.store import deployment_uri
from published_pair.measure import clear, measure, place_of, require_own
from published_pair.results import MeasureError, Names, open_results
from published_pair.tables import as_markdown

PROGRAM = "measure-published-pair"
PUBLISHED = "https://public.ukp.informatik.tu-darmstadt.de/thakur/BEIR/datasets/nfcorpus.zip"
DATABASE, RESULTS = "leaf_published_pair", Path("published-pair.json")

_say = partial(say, PROGRAM)

app, register = new_command()


@register
def command(
    uri: Uri = None,
    collection_path: Annotated[
        Path | None,
        option(
            "Test collection in BEIR's format, a folder or a zip file. Default: nfcorpus.zip in "
            "this folder or in LEAF_TEST_DATA.",
            metavar="PATH",
        ),
    ] = None,
    results: Annotated[
        Path,
        option(
            "Keep results in FILE, from where an interrupted run goes on. Default: "
            "published-pair.json.",
            metavar="FILE",
        ),
    ] = RESULTS,
    restart: Annotated[bool, option("Forget the results of an earlier run.", "--restart")] = False,
    drop: Annotated[
        bool, option("Drop the database at the end, without asking.", "--drop")
    ] = False,
    documents: Annotated[
        int | None,
        option("Take the first N documents, to try it out.", metavar="N", min=1),
    ] = None,
    database: Annotated[
        str,
        option(
            "Database of its own, which must be empty. Default: leaf_published_pair.",
            metavar="NAME",
            panel="Where",
        ),
    ] = DATABASE,
    home: Home = None,
    teacher: Annotated[
        str,
        option("Model that encodes documents.", metavar="MODEL", panel=MODELS),
    ] = PRESETS["leaf-mt"].teacher,
    student: Annotated[
        str,
        option("Model that encodes queries.", metavar="MODEL", panel=MODELS),
    ] = PRESETS["leaf-mt"].student,
) -> None:
    """Measure the published pair, and print the rows that the documentation lacks.

    Fetches teacher and student (0.8 GB) from the model hub, checks that they share a space,
    ingests documents as leaf-ingest does and examines the result with the doctor. Then it writes
    the test collection in every storage format, one after another, and searches it. The Markdown
    on stdout goes into README.md and docs/quality.md.

    It takes one to two hours on a CPU, mostly for encoding, and minutes with a GPU. After Ctrl-C
    or a kill, run the same command again: encoded texts and measured rows are kept.

    Examples:

      MONGODB_URI='mongodb+srv://...' scripts/measure-published-pair --drop

      scripts/measure-published-pair --documents 100 --results trial.json

    Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
    """
    say_warnings(PROGRAM)
    with one_line_errors(PROGRAM, MeasureError, resumes=True):
        path = _collection(collection_path)
        test = read_collection(path)
        test = test.part(documents) if documents else test
        chosen = settings(mongodb_uri=uri, home=home)
        names = Names(teacher, student)
        address = deployment_uri(chosen, _say)
        with closing(connect(address)) as client:
            place = place_of(client, address, database)
            require_own(client, database)
            found = open_results(results, names, test, place, restart=restart, say=_say)
            measure(found, test, client, address, _say)
            print(as_markdown(found))
            _drop(client, database, without_asking=drop)


def _collection(given: Path | None) -> Path:
    if given is not None:
        return given
    folders = [Path(), *(Path(f) for f in (os.environ.get("LEAF_TEST_DATA"),) if f)]
    there = [folder / "nfcorpus.zip" for folder in folders]
    found = next((path for path in there if path.is_file()), None)
    if found is None:
        raise MeasureError(
            f"nfcorpus.zip is in none of {', '.join(str(p.parent.absolute()) for p in there)}; get "
            f"it with `curl -O {PUBLISHED}`, or name a collection with --collection-path"
        )
    return found


def _drop(client: MongoClient[Any], database: str, *, without_asking: bool) -> None:
    """What is left is the sample that the doctor examined; the other collections are gone."""
    is_wanted = without_asking or (
        sys.stdin.isatty() and typer.confirm(f"Drop database {database}?", err=True)
    )
    if is_wanted:
        clear(client, database)
        _say(f"dropped database {database}")
    else:
        _say(f"database {database} stays; the same command with --drop drops it")
