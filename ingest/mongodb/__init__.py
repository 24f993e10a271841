"""A MongoDB collection as the source, and what keeps a target in line with it."""
