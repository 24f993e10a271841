"""Turns a query into hits: retrieves candidates by vector and text, ranks them, adds passages."""
