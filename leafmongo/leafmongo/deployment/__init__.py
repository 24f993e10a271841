"""A mongod and its gateway in a folder: paths, locks, processes, start and stop."""
