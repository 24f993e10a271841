"""An open collection that searches share, and a search as steps without I/O of its own."""
