"""Distils a static student: a row for each token, so that a query needs no transformer."""
