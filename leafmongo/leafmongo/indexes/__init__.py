"""Definitions, builds and served indexes, kept in line with the change stream."""
