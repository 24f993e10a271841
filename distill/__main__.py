"""`python -m leafsearch.distill` is `leaf-distill`."""

from leafsearch.commands.leaf_distill import main

if __name__ == "__main__":
    main()
