"""A mongod with its gateway in a folder, or a gateway alone in front of another MongoDB."""
