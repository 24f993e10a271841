"""Cuts documents into chunks that fit the teacher."""
