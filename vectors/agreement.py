"""What the user asks for against what a collection was made with."""

from collections.abc import Mapping

from leafsearch.config import Settings
from leafsearch.vectors.manifest import Manifest, demand

FORM = ("dimensions", "precision", "quantization")


def demand_agreement(
    manifest: Manifest, settings: Settings, form: Mapping[str, object] | None = None
) -> None:
    """Raises ManifestError if a setting that was given contradicts the manifest.

    Defaults do not count: for an existing collection its manifest beats them. `form` holds the
    parts of the stored form that were given by an option of their own.
    """
    given = settings.model_fields_set
    wanted: dict[str, object] = {}
    askers: dict[str, str] = {}
    for side in ("teacher", "student"):
        if given & {"preset", side}:
            wanted[side] = getattr(settings.pair, side)
            askers[side] = settings.model_asker(side)
    if "storage" in given:
        named = settings.stored_as()
        wanted["dimensions"] = named.dimensions or manifest.teacher.dimensions
        wanted |= {"precision": named.precision, "quantization": named.quantization}
        askers |= dict.fromkeys(FORM, settings.asker("storage"))
    wanted |= form or {}
    askers |= {part: f"--{part}" for part in form or {}}
    demand(manifest, wanted, settings.collection, askers, database=settings.database)


def demand_precision(manifest: Manifest, settings: Settings) -> None:
    """Raises ManifestError if documents were encoded in another precision than is asked for.

    For whoever writes: a search asks with the same student in any case.
    """
    asked = settings.encode_precision
    if asked != "auto" and manifest.encode_precision is not None:
        demand(
            manifest,
            {"encode_precision": asked},
            settings.collection,
            {"encode_precision": settings.asker("encode_precision")},
            database=settings.database,
        )
