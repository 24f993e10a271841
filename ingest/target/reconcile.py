"""Bring manifest and search indexes of a collection in line, while other runs may do the same.

Indexes come first, so that the manifest never names one that the server refuses; for a generation
that is built beside another the manifest comes first, so that none exists unnamed. Filter paths are
only ever added; the last run finds all of them and indexes them.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pymongo.database import Database

from leafsearch.config.storage import UNTUNED, IndexTuning
from leafsearch.vectors import Collection, Manifest, ManifestError, collection_of, explain_errors
from leafsearch.vectors.store import (
    HAS_MARK,
    RetryBudget,
    amend_manifest,
    begin_next,
    delete_manifest,
    find_generations,
    forget_unnamed,
    read_generation,
    replace_manifest,
    require_equal,
    write_manifest,
)


def reconcile(
    database: Database[Any],
    name: str,
    wanted: Manifest,
    retries: RetryBudget | None = None,
    tuning: IndexTuning = UNTUNED,
) -> Collection:
    """Create the collection as `wanted`, with all filter paths that any run wants, and return
    it. `tuning` is what this run asks for: of an index that is there nothing else changes.

    Raises ManifestError if it holds documents of another form, DeploymentError or
    SearchIndexError if the server refuses an index.
    """
    with explain_errors():
        found = find_generations(database, name)
        empty = is_empty(database, name)
    if found is not None and found.active.generation != wanted.generation and not empty:
        return _reconcile_beside(database, name, wanted, retries, tuning)
    stored = None if found is None else found.active
    with explain_errors():
        left_over = stored is not None and _is_left_over(database, name, stored, wanted)
    if stored is not None and not left_over:
        require_equal(stored, wanted, name)
        wanted = with_wanted_indexes(stored, wanted.filters, hybrid=wanted.hybrid, tuning=tuning)
    collection_of(database[name], wanted, retries).create()
    try:
        with explain_errors():
            if stored is not None and left_over and is_empty(database, name, stored):
                delete_manifest(database, name)
            agreed = write_manifest(database, name, wanted, tuning)
            if left_over:
                forget_unnamed(database)
            if stored is not None and left_over and not is_empty(database, name, stored):
                # Another run wrote with the old manifest just after the collection was seen empty.
                replace_manifest(database, name, stored)
                require_equal(stored, wanted, name)
    except ManifestError:
        # Another run was faster, and its index must stay.
        with explain_errors():
            theirs = read_generation(database, name, wanted.generation)
        follow(database, name, theirs, retries)
        raise
    return follow(database, name, agreed, retries)


def follow(
    database: Database[Any], name: str, manifest: Manifest, retries: RetryBudget | None = None
) -> Collection:
    """Index what the manifest says until it says nothing new. Raises as reconcile does."""
    known = None
    while True:
        with explain_errors():
            stored = read_generation(database, name, manifest.generation)
        require_equal(stored, manifest, name)
        collection = collection_of(database[name], stored, retries)
        if stored == known:
            return collection
        collection.create()
        known = stored


def with_wanted_indexes(
    manifest: Manifest,
    filters: Sequence[str],
    *,
    hybrid: bool,
    tuning: IndexTuning = UNTUNED,
) -> Manifest:
    """The manifest with further filter paths and text search, and an index that is built as the
    tuning says; the vectors do not depend on them."""
    filters = tuple(dict.fromkeys([*manifest.filters, *filters]))
    tuned = manifest.tuning.changed_by(tuning)
    return replace(manifest, filters=filters, hybrid=manifest.hybrid or hybrid, tuning=tuned)


def holds_ours(database: Database[Any], name: str, generation: int = 1) -> bool:
    """Whether there are documents and a manifest that describes this generation of them."""
    with explain_errors():
        found = find_generations(database, name)
        stored = found.find(generation) if found is not None else None
        return stored is not None and not is_empty(database, name, stored)


def is_empty(database: Database[Any], name: str, stored: Manifest | None = None) -> bool:
    """Whether the collection is empty; with a manifest in place, whether it has no vector of
    ours."""
    ours = HAS_MARK if stored is not None and stored.layout == "in_place" else {}
    return database[name].find_one(ours, {"_id": 1}) is None


def _reconcile_beside(
    database: Database[Any],
    name: str,
    wanted: Manifest,
    retries: RetryBudget | None,
    tuning: IndexTuning,
) -> Collection:
    """Reconcile a generation that does not answer searches."""
    with explain_errors():
        stored = begin_next(database, name, wanted)
        require_equal(stored, wanted, name)
        stored = amend_manifest(
            database,
            name,
            wanted.generation,
            filters=wanted.filters,
            hybrid=wanted.hybrid,
            tuning=tuning,
        )
    return follow(database, name, stored, retries)


def _is_left_over(database: Database[Any], name: str, stored: Manifest, wanted: Manifest) -> bool:
    """Whether a manifest is left from a dropped collection: it differs, and describes no
    document."""
    try:
        require_equal(stored, wanted, name)
    except ManifestError:
        return is_empty(database, name, stored)
    return False
