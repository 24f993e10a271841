"""A MongoDB collection as a source, once or followed."""
