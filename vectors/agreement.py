"""What the user asks for against what a collection was made with."""

from collections.abc import Set

from config import Settings, Storage
from vectors.manifest import Manifest, demand


def demand_agreement(manifest: Manifest, settings: Settings, storage: Storage | None) -> None:
    """Raises ManifestError if a setting that was given contradicts the manifest.

    Defaults do not count: for an existing collection its manifest beats them. `storage` is None
    unless one of its parts was given.
    """
    given = settings.model_fields_set
    wanted: dict[str, object] = {}
    if given & {"preset", "teacher"}:
        wanted["teacher"] = settings.pair.teacher
    if given & {"preset", "student"}:
        wanted["student"] = settings.pair.student
    askers = {side: _askers(given & {"preset", side}) for side in ("teacher", "student")}
    if storage is not None or "storage" in given:
        form = storage or settings.stored_as()
        wanted["dimensions"] = form.dimensions or manifest.teacher.dimensions
        wanted["precision"] = form.precision
        wanted["quantization"] = form.quantization
    for part in ("dimensions", "precision", "quantization"):
        options = [f"--{part}"] if storage is not None else []
        askers[part] = ", ".join([*options, *filter(None, [_askers(given & {"storage"})])])
    demand(manifest, wanted, settings.collection, askers)


def demand_precision(manifest: Manifest, settings: Settings) -> None:
    """Raises ManifestError if documents were encoded in another precision than is asked for.

    For whoever writes: a search asks with the same student in any case.
    """
    asked = settings.encode_precision
    if asked != "auto" and manifest.encode_precision is not None:
        by = {"encode_precision": _askers({"encode_precision"})}
        demand(manifest, {"encode_precision": asked}, settings.collection, by)


def _askers(names: Set[str]) -> str:
    """A setting may come from an option, the environment or `.env`."""
    return ", ".join(
        f"--{name.replace('_', '-')}, or LEAF_{name.upper()} in the environment or .env"
        for name in sorted(names)
    )
