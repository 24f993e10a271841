"""The two types of search index: parses their definitions and makes the indexes.

Text indexes need tantivy, which is imported with the first of them.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Union

from leafmongo.engine import CommandError, VectorDefinition, VectorIndex
from leafmongo.engine import definition as vectors
from leafmongo.engine.parser import show

if TYPE_CHECKING:
    from leafmongo.engine.text import TextDefinition, TextIndex, TextQuery

VECTOR, TEXT = "vectorSearch", "search"
Definition = Union[VectorDefinition, "TextDefinition"]
Index = Union[VectorIndex, "TextIndex"]  # the same interface except for `search`


def parse_definition(
    kind: Any,
    definition: Mapping[str, Any],
    *,
    context: str = "userCommand.indexes[0]",
    strict: bool = False,
) -> Definition:
    if kind == VECTOR:
        return vectors.parse_definition(definition, context=context, strict=strict)
    if kind != TEXT:
        raise CommandError(
            8,
            "UnknownError",
            f'"{context}.type" must be one of [{TEXT}, {VECTOR}]; {show(kind)} was given',
        )
    _refuse_without_tantivy()
    from leafmongo.engine.text import parse_text_definition

    return parse_text_definition(definition, context=context, strict=strict)


def is_equivalent(a: Definition, b: Definition) -> bool:
    if isinstance(a, VectorDefinition) and isinstance(b, VectorDefinition):
        return vectors.is_equivalent(a, b)
    return a == b


def make_index(definition: Definition) -> Index:
    if isinstance(definition, VectorDefinition):
        return VectorIndex(definition)
    from leafmongo.engine.text import TextIndex

    return TextIndex(definition)


def parse_text_query(stage: Mapping[str, Any]) -> "TextQuery":
    _refuse_without_tantivy()
    from leafmongo.engine import text

    return text.parse_text_query(stage)


def _refuse_without_tantivy() -> None:
    if find_spec("tantivy") is None:
        raise CommandError(
            115,
            "CommandNotSupported",
            f'an index of type "{TEXT}" needs tantivy, which is not installed where the gateway '
            "runs. Install it there",
        )
