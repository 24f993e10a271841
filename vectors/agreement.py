"""What the user asks for against what a collection was made with."""

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
    if storage is None and "storage" in given:
        storage = settings.stored_as()
    if storage is not None:
        wanted["dimensions"] = storage.dimensions or manifest.teacher.dimensions
        wanted["precision"] = storage.precision
        wanted["quantization"] = storage.quantization
    demand(manifest, wanted, settings.collection)
