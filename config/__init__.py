"""What a user can set. Imports nothing else of the project."""

from config.errors import ConfigError, LeafError
from config.presets import PRESETS, Pair
from config.settings import Settings, load
from config.storage import STORAGES, Storage

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
