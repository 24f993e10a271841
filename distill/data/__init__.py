"""What a student learns from: examples, tokens, the teacher's vectors."""
