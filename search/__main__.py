"""`python -m leafsearch.search` is `leaf-search`."""

from leafsearch.commands.leaf_search import main

if __name__ == "__main__":
    main()
