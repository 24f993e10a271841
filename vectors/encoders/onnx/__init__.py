"""The student, on ONNX Runtime and without torch; `export` makes it, with torch."""
