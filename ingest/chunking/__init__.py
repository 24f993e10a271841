"""Documents to chunks: where they may be cut, and how many tokens they have."""
