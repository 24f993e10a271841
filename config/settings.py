"""What a user can set: options beat the environment, which beats `.env`.

Read from mappings that the caller passes in. `local` reads LEAF_HOME and LEAF_MONGOD again, because
it works without this package.
"""

import difflib
import logging
import os
from collections.abc import Container, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import platformdirs
from dotenv import dotenv_values
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
)
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from leafsearch.config.errors import ConfigError
from leafsearch.config.presets import PRESETS, Pair, current_name
from leafsearch.config.storage import ENCODE_PRECISIONS, STORAGES, EncodePrecision, Storage
from leafsearch.config.text import expected_one_of, is_unicode, quote, shorten

log = logging.getLogger(__name__)

# Read elsewhere (local/, the tests), so a near miss is still caught here.
_OTHER_NAMES = ("LEAF_MONGOD", "LEAF_UPSTREAM")
_TESTS = "LEAF_TEST_"
_OURS = ("leaf_manifests", "leaf_writers", "leaf_positions", "leaf_transforms")  # collections
_LONGEST_NAMESPACE = 255  # bytes of `database.collection`, MongoDB's own limit


def _variable(field: str) -> str:
    return "MONGODB_URI" if field == "mongodb_uri" else f"LEAF_{field.upper()}"


class Settings(BaseModel):
    """`model_fields_set` holds the names of the fields that were given."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    _askers: dict[str, str] = PrivateAttr(default_factory=dict)

    def __init__(self, askers: Mapping[str, str] | None = None, **values: Any) -> None:
        """`askers` say what gave each setting. Raises ConfigError with all problems at once."""
        given = dict(askers or {})
        try:
            super().__init__(**values)
        except ValidationError as error:
            wrong = error.errors()
            is_usage = any(given.get(str(e["loc"][0]), "").startswith("--") for e in wrong)
            problems = [_problem(e, given) for e in wrong]
            raise ConfigError(problems, is_usage=is_usage) from None
        self._askers = given

    def asker(self, field: str) -> str:
        """What gave this setting: `--preset`, `LEAF_PRESET in the environment`, ..."""
        return self._askers.get(field, field)

    def model_asker(self, side: str) -> str:
        """What names this side of the pair: `teacher` or `student`, or else the preset."""
        return self.asker(side if getattr(self, side) else "preset")

    def without(self, field: str) -> "Settings":
        """These settings as if this one had not been given."""
        given = {name: getattr(self, name) for name in self.model_fields_set - {field}}
        return Settings(self._askers, **given)

    mongodb_uri: SecretStr | None = None
    database: str = "leaf"
    collection: str = "chunks"
    preset: str = "leaf-mt"
    teacher: str | None = None
    student: str | None = None
    storage: str = "mrl256"
    encode_precision: EncodePrecision = "auto"
    api_key: SecretStr | None = None  # of remote encoders
    home: Path = Field(default_factory=lambda: platformdirs.user_data_path("leafsearch"))

    @property
    def uri(self) -> str | None:
        """The URI with its password: to connect, never to print."""
        return None if self.mongodb_uri is None else self.mongodb_uri.get_secret_value()

    @property
    def key(self) -> str | None:
        """The API key of remote encoders: to send, never to print."""
        return self.api_key.get_secret_value() if self.api_key else None

    @property
    def pair(self) -> Pair:
        preset = PRESETS[self.preset]
        teacher, student = self.teacher or preset.teacher, self.student or preset.student
        fit = preset.others if teacher == preset.teacher else {}
        others = {name: model for name, model in fit.items() if model != student}
        return Pair(teacher, student, others)

    def stored_as(self, **changes: Any) -> Storage:
        """The storage preset with single fields replaced; None leaves a field as it is."""
        chosen = {k: v for k, v in changes.items() if v is not None}
        preset = STORAGES[self.storage]
        storage = Storage(**{**vars(preset), **chosen})
        if problems := storage.problems():
            raise ConfigError(problems)
        return storage

    @field_validator("mongodb_uri")
    @classmethod
    def _is_uri(cls, uri: SecretStr | None) -> SecretStr | None:
        text = uri.get_secret_value() if uri else ""
        if text and not text.startswith(("mongodb://", "mongodb+srv://")):
            raise ValueError("expected mongodb://... or mongodb+srv://...")
        if text.startswith("mongodb://"):
            try:
                parse_uri(text)
            except (PyMongoError, ValueError) as error:
                # The driver's message may quote the password, so the error names only its kind.
                raise ValueError(_without_secrets(error, text)) from None
        return uri if text else None

    @field_validator("database")
    @classmethod
    def _is_database(cls, name: str) -> str:
        _require_unicode(name)
        if not name or len(name.encode()) > 63 or set(name) & set('/\\. "$\0'):
            raise ValueError('expected 1 to 63 bytes without / \\ . " $ NUL or blanks')
        return name

    @field_validator("collection")
    @classmethod
    def _is_collection(cls, name: str, info: Any) -> str:
        _require_unicode(name)
        if not name or name.startswith("system.") or set(name) & set("$\0"):
            raise ValueError("expected a name without $ and NUL, not beginning with `system.`")
        if "" in name.split("."):
            raise ValueError("expected dots only between other characters, never two in a row")
        if name in _OURS or name.startswith("__leaf"):
            raise ValueError("expected another name: leafsearch keeps its own data under this one")
        if len(f"{info.data.get('database', '')}.{name}".encode()) > _LONGEST_NAMESPACE:
            raise ValueError(
                f"expected at most {_LONGEST_NAMESPACE} bytes together with the database"
            )
        return name

    @field_validator("preset", "storage")
    @classmethod
    def _is_known(cls, name: str, info: Any) -> str:
        known = PRESETS if info.field_name == "preset" else STORAGES
        if name not in known:
            raise ValueError(expected_one_of(name, list(known)))
        return name

    @field_validator("encode_precision", mode="before")
    @classmethod
    def _is_precision(cls, name: str) -> str:
        if name not in ENCODE_PRECISIONS:
            raise ValueError(expected_one_of(name, ENCODE_PRECISIONS))
        return name

    @field_validator("home")
    @classmethod
    def _is_absolute(cls, home: Path) -> Path:
        return _expanded(home).absolute()

    @field_validator("teacher", "student")
    @classmethod
    def _is_named(cls, name: str | None) -> str | None:
        # The manifest keeps the name, and a search may start in another folder.
        if not name:
            return None
        _require_unicode(name)
        if "\0" in name:
            raise ValueError("expected a model's name or folder, without NUL")
        name = current_name(name)
        folder = _expanded(Path(name))
        return os.path.realpath(folder) if os.path.isdir(folder) else name


def load(environ: Mapping[str, str], *, dotenv: Path | None = None, **options: Any) -> Settings:
    """Read settings from options (None: not given), `environ` and the file `dotenv`.

    Raises ConfigError with all problems at once. An empty variable counts as not given; a name that
    looks like one of ours and is unknown is logged as a warning, since it may be another program's.
    """
    from_file = _read(dotenv) if dotenv else {}
    values: dict[str, Any] = {}
    askers: dict[str, str] = {}
    for place, level in (
        (f" in {dotenv}", _by_field(from_file)),
        (" in the environment", _by_field(environ)),
        ("", _without_none(options)),
    ):
        if "preset" in level:
            # A preset names both models, and beats those of the levels below.
            values = {k: v for k, v in values.items() if k not in ("teacher", "student")}
        values |= level
        askers |= {f: f"{_variable(f)}{place}" if place else _option(f) for f in level}
    for warning in _unknown_names({**from_file, **environ}, given=values):
        _warn(warning)
    askers = {field: asker for field, asker in askers.items() if field in values}
    settings = Settings(askers, **values)
    if settings.teacher and not settings.student:
        asker = settings.asker("teacher")
        is_typed = asker.startswith("--")
        problem = (
            f"{asker}: teacher {settings.teacher} has no student; expected "
            f"{'--student' if is_typed else 'LEAF_STUDENT'} too: the same name makes an ordinary, "
            "symmetric search"
        )
        raise ConfigError([problem], is_usage=is_typed)
    return settings


def _option(field: str) -> str:
    return f"--{field.removeprefix('mongodb_').replace('_', '-')}"


def _by_field(variables: Mapping[str, str]) -> dict[str, Any]:
    named = {field: variables.get(_variable(field)) for field in Settings.model_fields}
    return {field: value for field, value in named.items() if value}


def _without_none(options: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in options.items() if v is not None}


def _read(dotenv: Path) -> dict[str, str]:
    try:
        return {name: value or "" for name, value in dotenv_values(dotenv).items()}
    except (OSError, ValueError) as error:
        raise ConfigError([f"{dotenv} cannot be read: {error}; expected UTF-8"]) from None


def _unknown_names(variables: Mapping[str, str], given: Container[str]) -> Iterator[str]:
    """Catch misspelt LEAF_ names; look at MONGO_ names only where MONGODB_URI is missing.

    `given`: fields that have a value.
    """
    known = [_variable(f) for f in Settings.model_fields] + list(_OTHER_NAMES)
    for name in sorted(variables):
        if name in known or name.startswith(_TESTS):
            continue
        if name.startswith("LEAF_"):
            (nearest,) = difflib.get_close_matches(name, known, n=1, cutoff=0)
            meant = f"did you mean {nearest}?"
            yield f"{shorten(name, 100)} is not a setting of leafsearch and is ignored: {meant}"
        elif name.startswith("MONGO") and "mongodb_uri" not in given:
            for close in difflib.get_close_matches(name, known, n=1, cutoff=0.8):
                yield f"{shorten(name, 100)} is not a setting and is ignored: did you mean {close}?"


@cache
def _warn(text: str) -> None:
    """Warn once in a process, however often it reads settings."""
    log.warning("%s", text)


def _require_unicode(text: str) -> None:
    if not is_unicode(text):
        raise ValueError("expected text in UTF-8")


def _expanded(path: Path) -> Path:
    """Replace `~` and `~user`."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"expected a path; {error}") from None


def _problem(error: Any, askers: Mapping[str, str]) -> str:
    field = shorten(str(error["loc"][0]), 100)
    if error["type"] == "extra_forbidden":
        known = ", ".join(Settings.model_fields)
        close = difflib.get_close_matches(field, Settings.model_fields, n=1)
        meant = f"did you mean {close[0]}?" if close else f"expected some of {known}"
        return f"{field} is not a setting: {meant}"
    reason = error["msg"].removeprefix("Value error, ")
    is_typed = askers.get(field, "").startswith("--")
    name = askers[field] if is_typed else _variable(field)
    if field == "mongodb_uri":
        return f"{name}: {reason}"
    given = error["input"]
    shown = quote(str(given) if isinstance(given, Path) else given)
    return f"{name} is {shown}: {reason}"


def _without_secrets(error: Exception, uri: str) -> str:
    reason = str(error)
    userinfo = uri.removeprefix("mongodb://").rpartition("@")[0]
    for secret in filter(None, [uri, userinfo, userinfo.partition(":")[2]]):
        reason = reason.replace(secret, "***")
    return reason
