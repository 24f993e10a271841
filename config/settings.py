"""What a user can set: options beat the environment, which beats `.env`.

Read once, from mappings that the caller passes in; nothing else in the project looks at the
environment for these names.
"""

import difflib
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import platformdirs
from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from config.errors import ConfigError
from config.presets import PRESETS, Pair
from config.storage import STORAGES, Storage

# Read elsewhere (local/, the tests), so a near miss is still caught here.
_OTHER_NAMES = ("LEAF_MONGOD", "LEAF_UPSTREAM")
_TESTS = "LEAF_TEST_"
_OURS = ("leaf_manifests", "leaf_writers", "leaf_positions")  # collections
_LONGEST_NAMESPACE = 255  # bytes of `database.collection`, MongoDB's own limit


def _variable(field: str) -> str:
    return "MONGODB_URI" if field == "mongodb_uri" else f"LEAF_{field.upper()}"


class Settings(BaseModel):
    """`model_fields_set` tells what was given from what is a default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, **values: Any) -> None:
        """Raises ConfigError with all problems at once."""
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError([_problem(e) for e in error.errors()]) from None

    mongodb_uri: SecretStr | None = None
    database: str = "leaf"
    collection: str = "chunks"
    preset: str = "leaf-mt"
    teacher: str | None = None
    student: str | None = None
    storage: str = "mrl256"
    api_key: SecretStr | None = None  # of remote encoders
    home: Path = Field(default_factory=lambda: platformdirs.user_data_path("leafsearch"))

    @property
    def uri(self) -> str | None:
        """With its password: to connect, never to show."""
        return None if self.mongodb_uri is None else self.mongodb_uri.get_secret_value()

    @property
    def key(self) -> str | None:
        """Of remote encoders: to send, never to show."""
        return self.api_key.get_secret_value() if self.api_key else None

    @property
    def pair(self) -> Pair:
        preset = PRESETS[self.preset]
        return Pair(self.teacher or preset.teacher, self.student or preset.student)

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
                # The driver's text may quote the password, so only its kind is told.
                raise ValueError(_without_secrets(error, text)) from None
        return uri if text else None

    @field_validator("database")
    @classmethod
    def _is_database(cls, name: str) -> str:
        if not name or len(name.encode()) > 63 or set(name) & set('/\\. "$\0'):
            raise ValueError('expected 1 to 63 bytes without / \\ . " $ or blanks')
        return name

    @field_validator("collection")
    @classmethod
    def _is_collection(cls, name: str, info: Any) -> str:
        if not name or name.startswith(("system.", ".")) or name.endswith(".") or "$" in name:
            raise ValueError("expected a name without $, not beginning with `system.` or a dot")
        if name in _OURS or name.startswith("__leaf"):
            raise ValueError("expected another name: leafsearch keeps its own under this one")
        if len(f"{info.data.get('database', '')}.{name}".encode()) > _LONGEST_NAMESPACE:
            raise ValueError(f"expected at most {_LONGEST_NAMESPACE} bytes with the database")
        return name

    @field_validator("preset", "storage")
    @classmethod
    def _is_known(cls, name: str, info: Any) -> str:
        known = PRESETS if info.field_name == "preset" else STORAGES
        if name not in known:
            raise ValueError(f"expected one of {', '.join(known)}")
        return name

    @field_validator("home")
    @classmethod
    def _is_absolute(cls, home: Path) -> Path:
        return home.expanduser().absolute()

    @field_validator("teacher", "student")
    @classmethod
    def _is_named(cls, name: str | None) -> str | None:
        # The manifest keeps the name, and a search may start in another folder.
        folder = Path(name or "").expanduser()
        return str(folder.resolve()) if name and folder.is_dir() else name or None


def load(environ: Mapping[str, str], *, dotenv: Path | None = None, **options: Any) -> Settings:
    """Settings from options (None: not given), `environ` and the file `dotenv`.

    Raises ConfigError with all problems at once. An empty variable counts as not given.
    """
    from_file = _read(dotenv) if dotenv else {}
    values: dict[str, Any] = {}
    for level in (_by_field(from_file), _by_field(environ), _without_none(options)):
        if "preset" in level:
            # A preset names both models, and beats those of the levels below.
            values = {k: v for k, v in values.items() if k not in ("teacher", "student")}
        values |= level
    problems = _misspelt({**from_file, **environ}, given=values)
    try:
        settings = Settings(**values)
    except ConfigError as error:
        raise ConfigError([*problems, *error.problems]) from None
    if settings.teacher and not settings.student:
        problems.append(
            f"teacher {settings.teacher} without a student: give LEAF_STUDENT (--student) too; "
            "the same name makes an ordinary, symmetric search"
        )
    if problems:
        raise ConfigError(problems)
    return settings


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


def _misspelt(variables: Mapping[str, str], given: Container[str]) -> list[str]:
    """A name of ours that is none would be ignored without a word; MONGO_... is others' as well."""
    known = [_variable(f) for f in Settings.model_fields] + list(_OTHER_NAMES)
    problems = []
    for name in sorted(variables):
        if name in known or name.startswith(_TESTS):
            continue
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
        if name.startswith("LEAF_"):
            meant = f"did you mean {close[0]}?" if close else f"expected one of {', '.join(known)}"
            problems.append(f"{name} is not a setting: {meant}")
        elif name.startswith("MONGO") and close and "mongodb_uri" not in given:
            problems.append(f"{name} is not a setting: did you mean {close[0]}?")
    return problems


def _problem(error: Any) -> str:
    field = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        known = ", ".join(Settings.model_fields)
        close = difflib.get_close_matches(field, Settings.model_fields, n=1)
        meant = f"did you mean {close[0]}?" if close else f"expected some of {known}"
        return f"{field} is not a setting: {meant}"
    reason = error["msg"].removeprefix("Value error, ")
    if field == "mongodb_uri":
        return f"{_variable(field)}: {reason}"
    return f"{_variable(field)} is {error['input']!r}: {reason}"


def _without_secrets(error: Exception, uri: str) -> str:
    reason = str(error)
    userinfo = uri.removeprefix("mongodb://").rpartition("@")[0]
    for secret in filter(None, [uri, userinfo, userinfo.partition(":")[2]]):
        reason = reason.replace(secret, "***")
    return reason
