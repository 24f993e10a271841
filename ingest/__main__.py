"""`python -m leafsearch.ingest` is `leaf-ingest`."""

from leafsearch.commands.leaf_ingest import main

if __name__ == "__main__":
    main()
