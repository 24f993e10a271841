"""Whole runs, from an open connection to the printed summary."""
