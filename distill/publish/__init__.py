"""Publishes a trained student: a folder with its measurements on a card."""
