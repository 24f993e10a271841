"""The second stage: what of each document is new, compared with what the collection holds."""

from collections.abc import Iterable, Iterator, Sequence

from leafsearch.ingest.document import Document
from leafsearch.ingest.pipeline.plan import Plan, StoredChunks, digest_of, grouped, is_stored, plan
from leafsearch.ingest.pipeline.stats import Tally
from leafsearch.ingest.target.target import Target


def plans(
    windows: Iterable[Sequence[Document]], target: Target, tally: Tally
) -> Iterator[Sequence[Plan]]:
    """For each window the documents that anything is to be done about, in their order."""
    # Of a collection that is empty, nobody need ask for what this run has not met yet.
    is_empty: bool | None = None
    for documents in windows:
        if documents:
            is_empty = target.collection.is_empty() if is_empty is None else is_empty
            stored = {} if is_empty else target.collection.stored([d.id for d in documents])
            yield _planned(documents, stored, target, tally)


def _planned(
    documents: Sequence[Document], there: StoredChunks, target: Target, tally: Tally
) -> Sequence[Plan]:
    found = grouped(there)
    manifest = target.manifest
    digests = [digest_of(document, manifest) for document in documents]
    changed = []
    ids, versions, counts = list[str](), list[int](), list[int]()
    unchanged = unchanged_chunks = 0
    for document, digest in zip(documents, digests, strict=True):
        stored = found.get(document.id, {})
        if is_stored(stored, digest):
            unchanged += 1
            ids.append(document.id)
            versions.append(next(iter(stored.values())).version or 0)
            counts.append(len(stored))
            unchanged_chunks += len(stored)
        else:
            changed.append((document, digest, stored))
    target.claims.add(ids, versions, counts)
    chunks = target.chunker.split_many([document for document, _, _ in changed])
    planned = [
        plan(document, digest, cut, stored, manifest)
        for (document, digest, stored), cut in zip(changed, chunks, strict=True)
    ]
    tally.add(
        documents=unchanged,
        chunks=unchanged_chunks,
        unchanged=unchanged_chunks,
        planned=unchanged_chunks + sum(p.chunks for p in planned),
    )
    return planned
