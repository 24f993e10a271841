"""Generations of vectors: built beside the active one, switched to, retired."""
