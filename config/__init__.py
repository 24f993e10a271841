"""What a user can set. Imports nothing else of the project."""

from leafsearch.config.errors import ConfigError, LeafError
from leafsearch.config.presets import PRESETS, Pair
from leafsearch.config.settings import Settings, load
from leafsearch.config.storage import STORAGES, Storage

__all__ = [
    "PRESETS",
    "STORAGES",
    "ConfigError",
    "LeafError",
    "Pair",
    "Settings",
    "Storage",
    "load",
]
