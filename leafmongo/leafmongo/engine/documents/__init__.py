"""What is kept of documents: vectors, values for filters, stored fields."""
