"""The command line of `leaf-ingest`: options, what they ask for, and what is printed."""
