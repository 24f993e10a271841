"""An open collection that searches share, and searches as sans-I/O steps."""
