"""What the commands start; the top of the house, where the parts are wired together."""
