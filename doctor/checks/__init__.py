"""One module for each thing that is looked at; a check makes a verdict of the context."""
