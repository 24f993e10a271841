"""Static students: a table with a row for each token, and no transformer."""
