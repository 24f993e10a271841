"""What is stored and where: codec, manifest, collection, search index, and the connection."""
