"""Whole runs, from an open connection to what is printed at the end."""
