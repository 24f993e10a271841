"""Files, folders and streams to documents."""
