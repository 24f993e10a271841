"""One module for each thing that is checked; a check returns a verdict about the context."""
