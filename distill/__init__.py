"""Distils a student: texts -> the teacher's vectors -> a small model that gives them too."""
