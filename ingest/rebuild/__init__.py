"""Vectors of another model or form beside those that answer, and moving over to them."""
