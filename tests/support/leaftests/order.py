"""The order in which the files of tests begin."""

# Files that take longest, to be begun first: none is then left alone at the end.
LONGEST = [
    *("search/test_python_reference", "distill/test_resuming", "ingest/test_on_ray"),
    *("ingest/test_kills", "local/test_gateway_upstreams", "distill/test_refusals"),
    *("local/test_faults", "ingest/test_faults", "ingest/test_generations"),
    *("ingest/test_following", "distill/test_training", "local/test_rebuilding"),
    *("search/test_options", "search/test_moving_over", "vectors/test_workers"),
    *("test_written_by_0_1", "vectors/test_student", "ingest/test_compression"),
]
