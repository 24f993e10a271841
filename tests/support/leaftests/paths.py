"""Where the checkout is, and the data of the tests."""

from pathlib import Path

ROOT = Path(__file__).parents[3]
