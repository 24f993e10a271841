"""Texts to rows of unit length: the contract in `base`, the implementations that `load` chooses."""
