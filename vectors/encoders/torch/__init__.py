"""The teacher, on PyTorch; imported only where documents are encoded."""
