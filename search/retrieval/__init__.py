"""From a query to hits: candidates by vector and by text, ranked, with their passages."""
