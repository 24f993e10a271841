"""Byte streams between clients and mongod: messages pass as they come, or are answered here."""
