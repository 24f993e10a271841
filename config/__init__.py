"""What a user can set. Imports nothing else of the project."""

from leafsearch.config.errors import ConfigError, LeafError
from leafsearch.config.presets import MULTILINGUAL, PRESETS, Pair
from leafsearch.config.settings import Settings, load
from leafsearch.config.storage import STORAGES, Storage

__all__ = [
    "MULTILINGUAL",
    "PRESETS",
    "STORAGES",
    "ConfigError",
    "LeafError",
    "Pair",
    "Settings",
    "Storage",
    "load",
]
