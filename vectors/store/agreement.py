"""Does a stored manifest agree with what a run or a search asks for?

An error shows both sides of each difference and says what to do.
"""

from collections.abc import Mapping
from dataclasses import fields

from leafsearch.config import Settings
from leafsearch.config.hint import Names, hint, rebuild_hint
from leafsearch.config.text import shorten
from leafsearch.vectors.errors import ManifestError
from leafsearch.vectors.forms.transform import Transform
from leafsearch.vectors.store.manifest import TEACHER, Manifest, ModelRecord

# Measured on some first texts, or extensible.
_MAY_DIFFER = (
    *("alignment", "probe", "scale", "transform", "filters", "hybrid", "tuning"),
    *("facts", "default_name", "others"),
)
STORED_FORM = ("dimensions", "precision", "quantization", "beside")


def require_equal(stored: Manifest, wanted: Manifest, collection: str) -> None:
    """Raises ManifestError that shows both sides of each difference that affects vectors."""
    names = [f.name for f in fields(Manifest) if f.name not in _MAY_DIFFER]
    if any(each.model == wanted.student for each in stored.others.values()):
        names.remove("student")
    wished = {name: getattr(wanted, name) for name in names}
    require_fields(stored, wished, collection, {})


def require_fields(
    stored: Manifest,
    wanted: Mapping[str, object],
    collection: str,
    asked_by: Mapping[str, str],
    *,
    database: str = "",
    otherwise: str = "",
) -> None:
    """Raises ManifestError if `stored` differs from the `wanted` fields.

    `asked_by` names the option or setting behind each field, which the user may drop; it is empty
    where a concurrent ingest is in conflict. A model may be wanted by its name alone. `otherwise`
    says what else the user can do.
    """
    if differing := _differing(stored, wanted):
        shown = "; ".join(
            f"{name} is {_shown(_named(getattr(stored, name), asked))}, requested {_shown(asked)}"
            for name, asked in differing.items()
        )
        is_in_place = stored.layout == "in_place"
        rebuild = rebuild_hint(
            database=database, collection=collection, in_place=is_in_place, whole=True
        )
        usual = rebuild if is_in_place else f"name a new --collection; {rebuild}"
        advice = otherwise or usual
        if asked_by:
            askers = ", ".join(dict.fromkeys(asked_by[name] for name in differing))
            advice = f"Drop {askers} to keep the collection unchanged, or {advice}"
        else:
            advice = f"Another ingest has just created it: {advice}"
        raise ManifestError(
            f"collection {collection} conflicts with this request: {shown}. {advice}"
        )


def _differing(stored: Manifest, wanted: Mapping[str, object]) -> dict[str, object]:
    return {n: v for n, v in wanted.items() if _named(getattr(stored, n), v) != v}


def _named(stored: object, asked: object) -> object:
    if isinstance(stored, ModelRecord) and isinstance(asked, str):
        return stored.name
    if isinstance(asked, str) and (stored is None or isinstance(stored, Transform)):
        return stored.kind if stored else "none"
    return stored


def _shown(value: object) -> str:
    if isinstance(value, ModelRecord):
        return f"{shorten(value.name, 200)} at {shorten(value.revision, 80)}"
    return shorten(str(value), 200)


def require_agreement(
    manifest: Manifest, settings: Settings, form: Mapping[str, object] | None = None
) -> None:
    """Raises ManifestError if an explicit setting contradicts the manifest.

    Defaults do not count: the manifest of an existing collection overrides them. `form` holds the
    parts of the stored form that an option of their own sets.
    """
    given = settings.model_fields_set
    wanted: dict[str, object] = {}
    askers: dict[str, str] = {}
    for side in ("teacher", "student"):
        if side == "student" and _is_recorded(manifest, settings):
            continue
        if given & {"preset", side}:
            wanted[side] = getattr(settings.pair, side)
            askers[side] = settings.model_asker(side)
    if "storage" in given:
        named = settings.stored_as()
        wanted["dimensions"] = named.dimensions or manifest.teacher.dimensions
        wanted |= {"precision": named.precision, "quantization": named.quantization}
        wanted["beside"] = named.beside
        askers |= dict.fromkeys(STORED_FORM, settings.asker("storage"))
    wanted |= form or {}
    askers |= {part: f"--{part}" for part in form or {}}
    others = {name: value for name, value in wanted.items() if name != "student"}
    adding = ""
    if "student" in wanted and not _differing(manifest, others):
        model = str(wanted["student"])
        names: Names = {"database": settings.database, "collection": settings.collection}
        add = hint("leaf-search students", "add", "NAME", model, **names)
        adding = f"add it to the collection's students with {add}"
    require_fields(
        manifest, wanted, settings.collection, askers, database=settings.database, otherwise=adding
    )


def _is_recorded(manifest: Manifest, settings: Settings) -> bool:
    """Whether a student of the collection has this name, or is this model."""
    asked = settings.pair.student
    named = (*manifest.students.items(), (TEACHER, None))
    return any(asked in (name, each and each.model.name) for name, each in named)


def require_precision(manifest: Manifest, settings: Settings) -> None:
    """Raises ManifestError if documents were encoded in another precision than requested.

    Only writers check this: searches use the same student in any case.
    """
    asked = settings.encode_precision
    if asked != "auto" and manifest.encode_precision is not None:
        require_fields(
            manifest,
            {"encode_precision": asked},
            settings.collection,
            {"encode_precision": settings.asker("encode_precision")},
            database=settings.database,
        )
