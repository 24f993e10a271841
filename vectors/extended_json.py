"""MongoDB's Extended JSON, with every way in which it can be wrong as one kind of error."""

import json
from typing import Any

from bson import json_util
from bson.errors import BSONError

from leafsearch.config.text import quote

# What the library raises for values that it does not expect, beside its own errors.
_WRONG_VALUE = (ValueError, TypeError, ArithmeticError, LookupError, AttributeError, BSONError)


class NotExtendedJson(Exception):
    """The reason, as a phrase."""


def extended(pairs: list[tuple[str, Any]]) -> Any:
    """For json.loads: an object, or what it stands for. Raises NotExtendedJson."""
    try:
        return json_util.object_pairs_hook(pairs)
    except _WRONG_VALUE as error:
        given = quote_json(dict(pairs))
        # What the library says of it is about its own insides.
        raise NotExtendedJson(f"{given} is not a value that Extended JSON knows") from error


def parse_extended_json(text: str) -> Any:
    """Raises NotExtendedJson."""
    try:
        return json.loads(text, object_pairs_hook=extended)
    except RecursionError as error:
        raise NotExtendedJson("it is nested too deeply") from error
    except ValueError as error:
        raise NotExtendedJson(str(error)) from error


def quote_json(value: Any) -> str:
    """As JSON where that is short, for a message."""
    try:
        given = json.dumps(value, default=str)
    except (TypeError, ValueError, RecursionError):
        return quote(value)
    return given if len(given) <= 80 else f"{given[:80]}..."
