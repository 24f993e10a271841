"""The student and the loop that trains it, in one process or several."""
