"""A MongoDB collection as a source, read once or followed."""
