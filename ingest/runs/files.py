"""A run over files, from the opened target to what is removed at its end."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from leafsearch.config.text import counted, quote_all, shorten
from leafsearch.ingest.cli.console import say, say_rejects, say_remarks
from leafsearch.ingest.document import Document, Records
from leafsearch.ingest.errors import SourceError
from leafsearch.ingest.pipeline.extent import ALL
from leafsearch.ingest.pipeline.run import ingest
from leafsearch.ingest.pipeline.stats import Summary
from leafsearch.ingest.runs.context import RunContext
from leafsearch.ingest.runs.prune import Pruning
from leafsearch.ingest.sources.files.corpus import Corpus
from leafsearch.ingest.sources.files.files import NO_FILE, QUESTIONS
from leafsearch.ingest.target.target import Lost, overlap_error, settle_overlap

_MOST_KINDS = 10  # endings of skipped files that are reported with a line of their own


def run_files(corpus: Corpus, run: RunContext) -> Summary:
    order, target = run.order, run.target
    run.display.begin()
    summary = ingest(
        warn_of_dotted_names(corpus.records(), target.manifest.filters),
        target,
        rejects=run.rejects,
        on_progress=run.display.step,
        extent=run.extent,
        remarks=run.remarks,
    )
    pruning = Pruning(target, corpus.names, run.seen, order.shard) if order.prune else None
    if pruning:
        pruning.remove(summary, yes=order.yes)
    else:
        require_documents(summary.documents, corpus, run)
    target.ensure_index()
    report_skipped(corpus)
    report_columns(corpus)

    def repair(lost: Lost) -> None:
        nonlocal summary
        if lost and corpus.size() is None:  # a pipe is not read twice
            raise overlap_error(lost, target)
        if lost:
            summary = summary.with_pass(_write_again(lost, run))
        if pruning:
            pruning.remove(summary, yes=True)  # it was safe before

    settle_overlap(target, repair, leftover=pruning.is_incomplete if pruning else None)
    say_remarks(run.remarks)
    say_rejects(run.rejects)
    if order.wait and not order.rebuild:
        target.wait_until_ready(
            summary.last_written, seconds=order.wait, on_status=run.display.phase
        )
    return summary


def warn_of_dotted_names(records: Records, filters: Sequence[str]) -> Records:
    """Pass records on, and warn once of each filter path that means a field with a dot in its own
    name: MongoDB reads every dot in a path as a step into an object, so it finds nothing."""
    meant = {path.removeprefix("metadata.") for path in filters if path.count(".") > 1}
    for record in records:
        if meant and isinstance(record, Document):
            for name in meant.intersection(record.metadata):
                meant.discard(name)
                say(
                    f"--filter-field metadata.{name}: no filter finds a field with a dot in its "
                    f"own name; rename it in the source, such as {name.replace('.', '_')}"
                )
        yield record


def _write_again(lost: Lost, run: RunContext) -> Summary:
    """Ingest these documents once more, as the corpus has them now."""
    corpus, left = run.order.corpus(), set(lost)

    def records() -> Iterator[Document]:
        for record in corpus.records():
            # The first document with an id counts.
            if isinstance(record, Document) and record.id in left:
                left.remove(record.id)
                yield record
            if not left:
                return

    extent = replace(ALL, shard=run.order.shard)
    return ingest(
        records(), run.target, rejects=run.rejects, on_progress=run.display.step, extent=extent
    )


def require_documents(documents: int, corpus: Corpus, run: RunContext) -> None:
    """Raises SourceError if there are none, unless other shards have some."""
    if documents or run.is_empty_shard():
        return
    run.rejects.require_not_all()
    kinds = quote_all(sorted(corpus.ignored))
    ignored = f" (only other kinds: {kinds})" if corpus.ignored else ""
    raise SourceError(f"no documents in {quote_all(corpus.paths)}{ignored}; nothing was written")


def report_columns(corpus: Corpus) -> None:
    """Which type the columns of tables got, and why one is text."""
    for line in corpus.columns.lines(corpus.asked_types):
        say(line)


def report_skipped(corpus: Corpus) -> None:
    """What was skipped, and what was read as its content shows."""
    _report_sniffed(corpus)
    others = [kind for kind, _ in corpus.ignored.most_common() if kind not in (NO_FILE, QUESTIONS)]
    for kind, count in sorted(corpus.ignored.items()):
        if kind in others[_MOST_KINDS:]:
            continue
        if kind == NO_FILE:
            say(f"skipped {count} that are {NO_FILE}: pipes, sockets, devices")
        elif kind == QUESTIONS:
            say(f"skipped the {QUESTIONS}, which are not documents")
        else:
            kind = shorten(kind, 80)
            say(
                f"skipped {counted(count, 'file')} of another kind ({kind}); --format reads them "
                "all"
            )
    if more := others[_MOST_KINDS:]:
        count = sum(corpus.ignored[kind] for kind in more)
        say(f"skipped {count} files of {len(more)} other kinds")


def _report_sniffed(corpus: Corpus) -> None:
    given = set(corpus.paths)
    for label, format in sorted(corpus.sniffed):
        if label in given:
            say(f"{label}: read as {format}, which its content shows; --format overrules it")
    by_format: dict[str, dict[str, int]] = {}
    for (label, format), count in corpus.sniffed.items():
        if label not in given:
            by_format.setdefault(format, {})[label] = count
    for kind, endings in sorted(by_format.items()):
        kinds = shorten(quote_all(sorted(endings)), 200)
        files = counted(sum(endings.values()), "file")
        say(f"read {files} as {kind}, which their content shows ({kinds}); --exclude skips them")
