"""Vectors built beside those that answer searches."""
