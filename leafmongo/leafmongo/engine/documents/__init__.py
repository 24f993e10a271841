"""The documents of a vector index: reads their paths and vectors, stores these in columns."""
