"""Which way of storing vectors a manifest speaks of."""

from typing import Any

from pymongo.collection import Collection as MongoCollection

from vectors.collection import Collection
from vectors.in_place import InPlace
from vectors.manifest import Manifest


def collection_of(mongo: MongoCollection[Any], manifest: Manifest) -> Collection:
    if manifest.layout == "in_place":
        return InPlace(mongo, manifest)
    return Collection(mongo, manifest)
