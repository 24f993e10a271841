"""Commands inside messages: with the options that were given, and never with a password."""

import shlex

import pytest

from leafsearch.config.hint import Line, hint, ingest_hint, rebuild_hint, running

URI = "mongodb://ann:s3cret@h/?tls=true&tlsCertificateKeyFilePassword=s3cret"
GIVEN = Line(
    "leaf-ingest",
    ("my docs/", URI.replace("/?", "/d.c?")),
    (
        ("--uri", URI),
        ("--collection", "two"),
        ("--text-field", "body"),
        ("--include", "*.md"),
        ("--include", "*.txt"),
        ("--storage", "binary"),
        ("--rebuild", None),
        ("--yes", None),
    ),
)


def test_without_a_command_it_has_the_names_that_it_is_about() -> None:
    assert hint("leaf-ingest", "retire") == "`leaf-ingest retire`"
    assert (
        hint("leaf-search doctor", database="leaf", collection="chunks") == "`leaf-search doctor`"
    )
    assert (
        ingest_hint(database="d", collection="c")
        == "`leaf-ingest PATH --database d --collection c`"
    )
    assert ingest_hint("--hybrid", database="d", collection="c", in_place=True) == (
        "`leaf-ingest mongodb:d.c --in-place --hybrid`"
    )


def test_what_leads_to_the_same_place_is_repeated() -> None:
    with running(GIVEN):
        shown = hint("leaf-ingest", "rollback", database="leaf", collection="two")

    assert shlex.split(shown.strip("`")) == [
        *("leaf-ingest", "rollback", "--uri"),
        "mongodb://ann:***@h/?tls=true&tlsCertificateKeyFilePassword=***",
        *("--collection", "two"),
    ]
    assert hint("leaf-ingest", "rollback") == "`leaf-ingest rollback`"


def test_a_path_comes_with_how_it_is_read_and_all_else_only_where_it_is_wanted() -> None:
    with running(GIVEN):
        read = hint("leaf-ingest", "PATH", "--rebuild")
        whole = hint("leaf-ingest", "PATH", "--rebuild", whole=True)
        by_another = hint("leaf-search doctor")

    assert read.startswith("`leaf-ingest 'my docs/' 'mongodb://ann:***@h/d.c?")
    assert read.count("--include") == 2
    assert "--text-field body" in read
    assert "--storage" not in read
    assert "--storage binary" in whole
    assert "--yes" not in whole
    assert "--text-field" not in by_another
    assert "s3cret" not in read + whole + by_another


def test_what_is_replaced_is_not_repeated() -> None:
    with running(GIVEN):
        shown = hint("leaf-ingest", "PATH", "--collection", "two_2", collection="two")

    assert shown.count("--collection") == 1
    assert "--collection two_2" in shown


def test_the_doctor_passes_its_models_on_to_what_it_recommends() -> None:
    with running(Line("leaf-search doctor", (), (("--teacher", "t"), ("--path", "v")))):
        rebuild = rebuild_hint(database="d", collection="c", whole=True)

    assert rebuild.startswith(
        "`leaf-ingest PATH --rebuild --teacher t --database d --collection c`"
    )


def test_vectors_in_place_are_never_rebuilt_by_a_hint() -> None:
    messages = rebuild_hint(database="d", collection="c", in_place=True)

    assert "--rebuild" not in messages
    assert "another --collection, without --in-place" in messages


def test_other_commands_get_the_options_that_they_have() -> None:
    with running(Line("leaf-search", ("oak",), (("--home", "a b"), ("--database", "d")))):
        assert hint("leaf-mongo", "start") == "`leaf-mongo start --home 'a b'`"


@pytest.mark.parametrize("word", ["a\nb", "\x1b[31m", "`", "$(x)"])
def test_odd_words_stay_one_harmless_word_of_one_line(word: str) -> None:
    with running(Line("leaf-ingest", (word,))):
        shown = hint("leaf-ingest", "PATH")

    assert shown.isprintable()
    assert len(shlex.split(shown[1:-1])) == 2
