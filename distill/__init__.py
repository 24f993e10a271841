"""texts -> the teacher's vectors -> a student that gives them too."""
