"""read -> plan -> encode -> write, all at the same time."""
