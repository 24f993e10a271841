"""Which way of storing vectors a manifest speaks of."""

from typing import Any

from pymongo.collection import Collection as MongoCollection

from leafsearch.vectors.collection import Collection
from leafsearch.vectors.in_place import InPlace
from leafsearch.vectors.manifest import Manifest
from leafsearch.vectors.patience import Patience


def collection_of(
    mongo: MongoCollection[Any], manifest: Manifest, patience: Patience | None = None
) -> Collection:
    if manifest.layout == "in_place":
        return InPlace(mongo, manifest, patience)
    return Collection(mongo, manifest, patience)
