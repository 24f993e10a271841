"""Index definitions, the builds from collections, and the indexes kept up by the change stream."""
