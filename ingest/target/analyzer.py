"""The analyzer of a text index that a run asks for: as named, or by the language of the texts."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from pymongo.collection import Collection

from leafsearch.config.analyzers import AUTO, SAMPLED, STANDARD, analyzer_for
from leafsearch.ingest.cli.index_options import Choices
from leafsearch.vectors import Manifest, explain_errors, join_texts, take_values
from leafsearch.vectors.store import uppermost_paths


def is_left_to_first_texts(choices: Choices) -> bool:
    """Whether a new collection of chunks decides when it has some."""
    is_named = choices.text_analyzer not in (None, AUTO)
    return choices.has_words and choices.in_place is None and not is_named


def settle_analyzer(
    choices: Choices, mongo: Collection[Any], manifest: Manifest, *, is_new: bool = False
) -> tuple[Choices, str]:
    """The choices with the analyzer as a part of the tuning, and why it was chosen; both as they
    are where the text index that is there decides."""
    keeps = choices.text_analyzer is None and manifest.hybrid and not is_new
    if not choices.has_words or keeps:
        return choices, ""
    asked, reason = choices.text_analyzer or AUTO, ""
    if asked == AUTO:
        with explain_errors():
            asked, reason = choose_analyzer(_stored_texts(mongo, manifest))
    # What was never chosen is the standard one; a choice replaces an index that was made by hand.
    is_default = asked == STANDARD and manifest.tuning.text_analyzer is None
    if is_default and (is_new or not manifest.hybrid):
        return replace(choices, hybrid=True), reason
    tuning = replace(choices.tuning, text_analyzer=asked)
    return replace(choices, hybrid=True, tuning=tuning), reason


def choose_analyzer(texts: Iterable[str]) -> tuple[str, str]:
    """The analyzer of the first texts, and what to say of it; nothing of the standard one."""
    analyzer = analyzer_for(islice(texts, SAMPLED))
    if analyzer == STANDARD:
        return analyzer, ""
    return analyzer, (
        f"words are indexed by {analyzer}, the language of the first texts. Choose another with "
        "--text-analyzer"
    )


def _stored_texts(mongo: Collection[Any], manifest: Manifest) -> Iterator[str]:
    fields = dict.fromkeys(uppermost_paths(manifest.text_fields), 1)
    for document in mongo.find(manifest.chosen, fields).limit(SAMPLED):
        values = [v for path in manifest.text_fields for v in take_values(document, path)]
        yield join_texts(value for value in values if isinstance(value, str))
