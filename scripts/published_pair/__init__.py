"""Measures the published pair of models; see docs/published-pair.md."""
