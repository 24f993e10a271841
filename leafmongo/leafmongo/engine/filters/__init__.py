"""The filter language: what may be written, and which documents match."""
