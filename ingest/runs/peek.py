"""The first records, looked at before a model is loaded: the wrong text field is told at once.

Only where that costs a moment: the first lines of a file of records, the first documents of a
MongoDB collection. It ends at the first record that can be used.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from leafsearch.ingest.cli.console import say
from leafsearch.ingest.cli.request import Order
from leafsearch.ingest.document import Document, Rejected
from leafsearch.ingest.errors import SourceError
from leafsearch.ingest.pipeline.rejects import Rejects
from leafsearch.ingest.sources.files.sources import Corpus
from leafsearch.ingest.sources.mongodb.source import MongoSource

_LOOKED_AT = 100
_CHEAP = ("jsonl", "json")  # other tables lack a column as a whole, which is told when they open


def peek(corpus: Corpus | MongoSource, order: Order, rejects: Rejects) -> None:
    """Raises SourceError if no record at all can be used; says so if none of the first can."""
    try:
        refused = _refused(_first_records(corpus, order))
    except SourceError:
        return  # told by the run, with what was read before it
    if not refused:
        return
    if _are_all(refused, order):
        rejects.begin()
        for each in refused:
            rejects.add(each)
        raise SourceError(
            f"all {len(refused)} records were rejected, nothing was written: "
            f"{'; '.join(rejects.reasons())}; see {rejects.path}"
        )
    trial = Rejects(rejects.path)
    for each in refused:
        trial.sort(each)
    say(f"none of the first {len(refused)} records can be used: {'; '.join(trial.reasons())}")


def _are_all(refused: Sequence[Rejected], order: Order) -> bool:
    """Whether there is no more, and no option that has a word of its own to say about it."""
    is_plain = order.max_rejects is None and not order.prune and order.shard.count == 1
    return is_plain and len(refused) < _LOOKED_AT and len(order.paths) == 1


def _first_records(corpus: Corpus | MongoSource, order: Order) -> Iterable[Document | Rejected]:
    if isinstance(corpus, MongoSource):
        # In place the manifest may know better where the texts are.
        return () if order.mongodb.in_place else corpus.first(_LOOKED_AT)
    first = order.paths[0]
    if not Path(first).is_file() or corpus.format_of(Path(first)) not in _CHEAP:
        return ()
    return Corpus([first], order.fields, order.format, order.rejects).records()


def _refused(records: Iterable[Document | Rejected]) -> Sequence[Rejected]:
    """The first records, if none of them can be used."""
    refused = []
    for record in islice(records, _LOOKED_AT):
        if isinstance(record, Document):
            return []
        refused.append(record)
    return refused
