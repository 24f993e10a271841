"""The first stage: records to windows of documents that are looked up together."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from leafsearch.config.text import counted, quote
from leafsearch.ingest.document import Document, Rejected
from leafsearch.ingest.errors import TooManyRejects
from leafsearch.ingest.pipeline.extent import ALL, Extent, Seen
from leafsearch.ingest.pipeline.rejects import Rejects
from leafsearch.ingest.pipeline.remarks import Remarks
from leafsearch.ingest.pipeline.stats import Tally

_DOCUMENTS = 512
_CHARACTERS = 1_000_000


def cut_windows(documents: Iterable[Document]) -> Iterator[Sequence[Document]]:
    """Windows of documents that are looked up together."""
    window = _Window()
    for document in documents:
        window.add(document)
        if window.is_full:
            yield window.documents
            window = _Window()
    if window.documents:
        yield window.documents


@dataclass
class Reader:
    records: Iterable[Document | Rejected]
    rejects: Rejects
    tally: Tally
    seen: Seen
    extent: Extent = ALL
    remarks: Remarks = field(default_factory=Remarks)

    def windows(self) -> Iterator[Sequence[Document]]:
        """Windows of new documents; what was read before an error comes first. Raises
        TooManyRejects."""
        window = _Window()
        try:
            for record in self.records:
                if isinstance(record, Rejected):
                    self.refuse(record)
                else:
                    self._add(record, window)
                if window.is_full:
                    full, window = window, _Window()
                    yield from self._unrepeated(full)
        except Exception:
            yield from self._unrepeated(window)
            raise
        yield from self._unrepeated(window)

    def refuse(self, rejected: Rejected) -> None:
        self.rejects.add(rejected)
        self.tally.add(rejected=1)
        count, most = self.tally.summary.rejected, self.extent.most_rejects
        if most is not None and count > most:
            raise TooManyRejects(
                f"{counted(count, 'record was', 'records were')} rejected, more than "
                f"--max-rejects {most} allows ({'; '.join(self.rejects.reasons())}); what was "
                f"read before is written: see {self.rejects.path}"
            )

    def _add(self, document: Document, window: "_Window") -> None:
        self.seen.sources.add(document.source)
        if self.extent.shard.holds(document.id):
            window.add(document)
            if document.omissions or document.notes:
                self._remark(document)

    def _remark(self, document: Document) -> None:
        before = self.remarks.trimmed, self.remarks.noted
        self.remarks.add(document)
        trimmed, noted = self.remarks.trimmed - before[0], self.remarks.noted - before[1]
        self.tally.add(trimmed=trimmed, noted=noted)

    def _unrepeated(self, window: "_Window") -> Iterator[Sequence[Document]]:
        """The documents with new ids; rejects those with ids that were met before."""
        judged = list(self.seen.judged(window.documents))
        if new := [document for document, first in judged if first is None]:
            yield new
        for document, first in judged:
            if first is not None:
                reason = f"id {quote(document.id)} occurs twice in this run, first at {first}"
                self.tally.add(repeated=1)
                self.refuse(Rejected(document.place, reason, document.text))


@dataclass
class _Window:
    documents: list[Document] = field(default_factory=list)
    characters: int = 0

    def add(self, document: Document) -> None:
        self.documents.append(document)
        self.characters += len(document.text)

    @property
    def is_full(self) -> bool:
        return len(self.documents) >= _DOCUMENTS or self.characters >= _CHARACTERS
