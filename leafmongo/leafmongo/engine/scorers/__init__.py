"""How near vectors are to a query: one scorer for each form that is stored."""
