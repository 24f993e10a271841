"""Scores of vectors by kind and quantization, and fast ways to find the best."""
