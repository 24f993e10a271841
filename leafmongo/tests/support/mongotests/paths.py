"""The folder of the distribution."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
