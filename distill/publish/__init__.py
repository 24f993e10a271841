"""From a trained student to a folder with a card, measured."""
