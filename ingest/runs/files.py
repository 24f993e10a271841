"""A run over files, from the opened target to what is removed at its end."""

from collections.abc import Iterator
from dataclasses import replace

from leafsearch.config.text import quote_all, shorten
from leafsearch.ingest.cli.console import say, say_rejects
from leafsearch.ingest.cli.report import Display
from leafsearch.ingest.cli.request import Order
from leafsearch.ingest.document import Document
from leafsearch.ingest.errors import SourceError
from leafsearch.ingest.pipeline.extent import ALL
from leafsearch.ingest.pipeline.rejects import Rejects
from leafsearch.ingest.pipeline.run import ingest
from leafsearch.ingest.pipeline.seen_ids import Seen
from leafsearch.ingest.pipeline.stats import Summary
from leafsearch.ingest.runs.prune import Pruning
from leafsearch.ingest.sources.files.files import NO_FILE, QUESTIONS
from leafsearch.ingest.sources.files.sources import Corpus
from leafsearch.ingest.target.overlap import Lost, overlapped, settle_overlap
from leafsearch.ingest.target.target import Target

_KINDS = 10  # of files that are left out, each with a line of its own


def run_files(
    corpus: Corpus,
    target: Target,
    rejects: Rejects,
    display: Display,
    seen: Seen,
    order: Order,
) -> Summary:
    display.begin()
    summary = ingest(
        corpus.records(), target, rejects=rejects, told=display.step, extent=order.extent(seen)
    )
    pruning = Pruning(target, corpus.names, seen, order.shard) if order.prune else None
    if pruning:
        pruning.remove(summary, yes=order.yes)
    else:
        demand_documents(summary.documents, corpus, rejects, seen, order)
    target.ensure_index()
    tell_what_was_left_out(corpus)

    def mend(lost: Lost) -> None:
        nonlocal summary
        if lost and corpus.size() is None:  # a pipe is not read twice
            raise overlapped(lost, target)
        if lost:
            summary = summary.with_pass(_write_again(lost, target, rejects, display, order))
        if pruning:
            pruning.remove(summary, yes=True)  # it was safe before

    settle_overlap(target, mend, leftover=pruning.is_incomplete if pruning else None)
    say_rejects(rejects)
    if order.wait and not order.rebuild:
        target.wait_until_ready(summary.last_written, seconds=order.wait, on_status=display.phase)
    return summary


def _write_again(
    lost: Lost, target: Target, rejects: Rejects, display: Display, order: Order
) -> Summary:
    """These documents, as the corpus has them now."""
    corpus, left = order.corpus(), set(lost)

    def records() -> Iterator[Document]:
        for record in corpus.records():
            # Of those with the same id, the first one counts.
            if isinstance(record, Document) and record.id in left:
                left.remove(record.id)
                yield record
            if not left:
                return

    extent = replace(ALL, shard=order.shard)
    return ingest(records(), target, rejects=rejects, told=display.step, extent=extent)


def demand_documents(
    documents: int, corpus: Corpus, rejects: Rejects, seen: Seen, order: Order
) -> None:
    """Raises SourceError if there are none; a shard may have none of a small corpus."""
    if documents or (order.shard.count > 1 and seen.sources):
        return
    rejects.demand_not_all("records")
    kinds = quote_all(sorted(corpus.ignored))
    ignored = f" (only other kinds: {kinds})" if corpus.ignored else ""
    raise SourceError(f"no documents in {quote_all(corpus.paths)}{ignored}; nothing was written")


def tell_what_was_left_out(corpus: Corpus) -> None:
    others = [kind for kind, _ in corpus.ignored.most_common() if kind not in (NO_FILE, QUESTIONS)]
    for kind, count in sorted(corpus.ignored.items()):
        if kind in others[_KINDS:]:
            continue
        if kind == NO_FILE:
            say(f"left out {count} that are {NO_FILE}: pipes, sockets, devices")
        elif kind == QUESTIONS:
            say(f"left out the {QUESTIONS}, which are no documents")
        else:
            kind = shorten(kind, 80)
            say(f"left out {count} files of another kind ({kind}); --format reads them all")
    if more := others[_KINDS:]:
        count = sum(corpus.ignored[kind] for kind in more)
        say(f"left out {count} files of {len(more)} further kinds")
