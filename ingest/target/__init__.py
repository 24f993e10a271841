"""The collection that is written to: opened, agreed with its manifest, shared with other runs."""
