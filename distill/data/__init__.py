"""The training data: examples, tokens, the teacher's vectors."""
