"""A run whose source is a MongoDB collection, from the opened target to what is printed."""

from contextlib import ExitStack

from leafsearch.config.text import counted
from leafsearch.ingest.chunking.whole import WholeTexts
from leafsearch.ingest.cli.console import say, say_rejects
from leafsearch.ingest.cli.request import IngestRequest
from leafsearch.ingest.errors import SourceError
from leafsearch.ingest.pipeline.rejects import Rejects
from leafsearch.ingest.pipeline.stats import Summary
from leafsearch.ingest.runs.context import RunContext
from leafsearch.ingest.sources.mongodb.follow import follow, open_changes
from leafsearch.ingest.sources.mongodb.position import Position
from leafsearch.ingest.sources.mongodb.signals import Stop
from leafsearch.ingest.sources.mongodb.source import MongoSource
from leafsearch.ingest.sources.mongodb.sync import SourceSync
from leafsearch.ingest.target.target import Target


def run_mongodb(source: MongoSource, run: RunContext) -> Summary:
    order, target = run.order, run.target
    following = order.mongodb.follow
    source.begin(target.manifest)
    require_another(source, target)
    with ExitStack() as opened:
        # A first pass is stopped like any run, by starting again; following has no end.
        stop = Stop(source.retries, target.retries)
        if following:
            opened.enter_context(stop)
        # Open before the pass, so that changes during the pass are not missed.
        position = _position(source, target, order)
        changes, lost = open_changes(source, position) if following else (None, False)
        sync = SourceSync(
            source, target, run.rejects, run.display.step, stop, run.extent, follows=following
        )
        opened.callback(sync.close)
        if lost:
            say(
                f"the changes in {source.name} since it was last followed are lost: reading all "
                "of it again and removing what is gone"
            )
        run.display.begin()
        sync.whole(run.seen)
        pruning = sync.pruning(run.seen) if order.prune and not stop.is_set else None
        if pruning:
            pruning.remove(sync.summary, yes=order.yes)
        else:
            require_any(sync.summary.documents, source, run)
            if lost and not stop.is_set:
                sync.remove_gone(run.seen, position, say)
        target.ensure_index()
        sync.settle(pruning)
        if lost and changes is not None and not stop.is_set:
            position.save_if_answered(changes.token)
        if order.wait and not (stop.is_set or target.is_new or order.rebuild):
            chunk = sync.summary.last_written
            target.wait_until_ready(chunk, seconds=order.wait, on_status=run.display.phase)
        if changes is not None:
            if not stop.is_set:
                _ = target.teacher  # loaded now, so that the first change need not wait for it
                say(f"following {source.name}; Ctrl-C ends it")
            follow(source, sync, changes, position, stop, on_status=run.display.phase, say=say)
    _tell(sync, target, run.rejects)
    return sync.summary


def _position(source: MongoSource, target: Target, order: IngestRequest) -> Position:
    mongo = target.collection.mongo
    manifest, shard = target.manifest, order.sharded or ""
    return Position(mongo.database, mongo.name, source, manifest, target.retries, shard)


def require_another(source: MongoSource, target: Target) -> None:
    """Raises SourceError if chunks would be made from the target's own chunks."""
    mongo = target.collection.mongo
    same_place = source.client.nodes == mongo.database.client.nodes
    if target.manifest.layout == "chunks" and source.name == mongo.full_name and same_place:
        raise SourceError(
            f"{source.paths[0]}: is also the target; name another --collection, or give --in-place"
        )


def require_any(documents: int, source: MongoSource, run: RunContext) -> None:
    """Raises SourceError if there are no documents, unless other shards have some or the source
    is followed."""
    if documents or run.is_empty_shard():
        return
    run.rejects.require_not_all("document", f" of {source.name}")
    if not run.order.mongodb.follow:
        wanted = " that --filter-source finds" if source.query else ""
        raise SourceError(f"no documents in {source.name}{wanted}; nothing was written")


def _tell(sync: SourceSync, target: Target, rejects: Rejects) -> None:
    say_rejects(rejects)
    if sync.unsettled:
        say(f"{counted(sync.unsettled, 'document')} changed during encoding; run this again")
    longer = target.chunker.longer if isinstance(target.chunker, WholeTexts) else 0
    if longer:
        say(
            f"{longer} texts are longer than one chunk and get the mean of their chunks' "
            "vectors. A collection of chunks finds more in long texts: leave --in-place out"
        )
