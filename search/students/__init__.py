"""`leaf-search students`: the models that may encode the queries of a collection."""
