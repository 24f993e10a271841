"""How the student of the preset `offline` was made; see README.md beside this file."""
