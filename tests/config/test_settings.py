from pathlib import Path

import pytest

from leafsearch.config import ConfigError, Pair, Settings, load
from leafsearch.config.settings import _warn

ATLAS = "mongodb+srv://ann:s3cret@cluster.example.net/"


def problems(**variables: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(variables)
    return str(caught.value)


def test_without_anything_set_the_documented_defaults_hold() -> None:
    settings = load({})

    assert (settings.uri, settings.database, settings.collection) == (None, "leaf", "chunks")
    assert settings.pair == Pair("mixedbread-ai/mxbai-embed-large-v1", "MongoDB/mdbr-leaf-mt")
    assert settings.stored_as().dimensions == 256
    assert settings.home.is_absolute()


def test_an_option_beats_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("LEAF_DATABASE=file\nLEAF_COLLECTION=file\nLEAF_STORAGE=full\n")
    environ = {"LEAF_DATABASE": "environ", "LEAF_COLLECTION": "environ"}

    settings = load(environ, dotenv=dotenv, database="option", collection=None)

    assert (settings.database, settings.collection, settings.storage) == (
        "option",
        "environ",
        "full",
    )


def test_what_was_given_can_be_told_from_a_default() -> None:
    assert load({"LEAF_STORAGE": "mrl256"}).model_fields_set == {"storage"}


def test_a_preset_beats_the_models_that_a_lower_level_names(tmp_path: Path) -> None:
    environ = {"LEAF_TEACHER": "hashing:64", "LEAF_STUDENT": "hashing:64"}

    assert load(environ).pair == Pair("hashing:64", "hashing:64")
    assert load(environ, preset="leaf-ir").pair.student == "MongoDB/mdbr-leaf-ir"
    assert load({**environ, "LEAF_PRESET": "leaf-ir"}).pair.student == "hashing:64"


def test_all_problems_are_reported_at_once() -> None:
    notes = problems(LEAF_PRESET="leaf", LEAF_STORAGE="int4", LEAF_DATABASE="a.b")

    assert "LEAF_PRESET is 'leaf': expected one of leaf-mt, leaf-ir, offline" in notes
    assert "LEAF_STORAGE is 'int4'" in notes
    assert "LEAF_DATABASE is 'a.b'" in notes


def test_names_that_are_not_ours_are_left_alone() -> None:
    load({"MONGODB_ATLAS_PROJECT": "1", "MONGO_EXPRESS": "1", "PATH": "/bin", "LEAF_TEST_X": "1"})
    load({"MONGO_URI": "mongodb://other/", "MONGODB_URI": "mongodb://ours/"})
    load({"MONGO_URI": "mongodb://other/"}, mongodb_uri="mongodb://ours/")


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("LEAF_TEACHR", "LEAF_TEACHER"),
        ("LEAF_DB", "LEAF_DATABASE"),  # else a corpus might go into the default database unnoticed
        ("LEAF_SOMETHING_OF_ANOTHER_PROGRAM", "LEAF_"),
        ("MONGO_URI", "MONGODB_URI"),
        ("MONGODB_URL", "MONGODB_URI"),
    ],
)
def test_an_unknown_name_is_a_warning_with_the_nearest_known_one(
    name: str, nearest: str, caplog: pytest.LogCaptureFixture
) -> None:
    _warn.cache_clear()

    assert load({name: "x", "LEAF_COLLECTION": "c"}).collection == "c"
    load({name: "x"})

    (warning,) = caplog.messages
    assert warning.startswith(f"{name} is not a setting")
    assert f"did you mean {nearest}" in warning


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("a..b", "dots only between other characters"),
        (".a", "dots only between other characters"),
        ("a.", "dots only between other characters"),
        ("", "expected a name"),
        ("a$b", "without $"),
        ("a\0b", "without $ and NUL"),
        ("system.a", "not beginning with `system.`"),
        ("leaf_manifests", "leafsearch keeps its own"),
        ("x" * 100_000, "at most 255 bytes"),
        ("\udce9", "UTF-8"),
    ],
)
def test_an_impossible_collection_name_is_rejected_with_the_rule(name: str, rule: str) -> None:
    (notes,) = named(collection=name).problems

    assert rule in notes
    assert len(notes) < 300


@pytest.mark.parametrize(
    "name", ["", "a.b", "a b", "a/b", "a\\b", 'a"b', "a$b", "a\0b", "x" * 64, "é" * 32, "\udce9"]
)
def test_an_impossible_database_name_is_rejected_with_the_rule(name: str) -> None:
    (notes,) = named(database=name).problems

    assert notes.startswith("LEAF_DATABASE is ")
    assert "expected " in notes


def named(**names: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        Settings(**names)
    return caught.value


@pytest.mark.parametrize("field", ["home", "teacher", "student"])
def test_the_home_of_an_unknown_user_is_rejected(field: str) -> None:
    (notes,) = named(**{field: "~nosuchuser/x"}).problems

    assert notes.startswith(f"LEAF_{field.upper()} is '~nosuchuser/x': expected a path")


def test_settings_made_by_hand_tell_the_same_way() -> None:
    with pytest.raises(ConfigError) as caught:
        Settings(preset="foo", databse="x")

    assert caught.value.problems == [
        "LEAF_PRESET is 'foo': expected one of leaf-mt, leaf-ir, offline",
        "databse is not a setting: did you mean database?",
    ]


def test_a_file_that_is_not_utf_8_is_rejected(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"LEAF_DATABASE=\xff\n")

    with pytest.raises(ConfigError, match=r"cannot be read.*expected UTF-8"):
        load({}, dotenv=tmp_path / ".env")


def test_a_teacher_alone_is_refused() -> None:
    assert "has no student" in problems(LEAF_TEACHER="someone/large")


def test_a_folder_is_kept_as_absolute_path(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()

    settings = load({}, teacher="model", student="some/model")

    assert settings.pair == Pair(str(tmp_path / "model"), "some/model")


@pytest.mark.parametrize("uri", ["localhost:27017", "http://x/", "mongodb://a:b@c:port/"])
def test_an_invalid_uri_is_rejected(uri: str) -> None:
    assert problems(MONGODB_URI=uri).startswith("MONGODB_URI: ")


@pytest.mark.parametrize(
    "uri", ["mongodb://ann:s3cret@[::1/", "mongodb://ann:s3cret@a/?x", "mongodb://a:s3cret:b@h/"]
)
def test_a_password_is_never_shown(uri: str) -> None:
    assert "s3cret" not in problems(MONGODB_URI=uri)
    assert "s3cret" not in repr(load({"MONGODB_URI": ATLAS}))
    assert "s3cret" not in load({"MONGODB_URI": ATLAS}).model_dump_json()
    assert load({"MONGODB_URI": ATLAS}).uri == ATLAS


def test_an_empty_variable_counts_as_not_given() -> None:
    assert load({"MONGODB_URI": "", "LEAF_STORAGE": ""}) == Settings()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"dimensions": 0}, "expected 1 to 8192"),
        ({"dimensions": 100, "precision": "binary"}, "multiple of 8"),
        ({"dimensions": 100, "quantization": "binary"}, "multiple of 8"),
        ({"precision": "int8", "quantization": "scalar"}, "float32 vectors only"),
        ({"precision": "binary", "quantization": "binary"}, "float32 and int8 vectors only"),
    ],
)
def test_storage_that_the_server_would_refuse_or_skip_is_refused(
    changes: dict[str, object], expected: str
) -> None:
    with pytest.raises(ConfigError, match=expected):
        Settings().stored_as(**changes)


def test_single_fields_of_a_storage_preset_can_be_replaced() -> None:
    storage = Settings(storage="binary").stored_as(dimensions=512, precision=None)

    assert (storage.dimensions, storage.precision, storage.similarity) == (
        512,
        "binary",
        "euclidean",
    )
