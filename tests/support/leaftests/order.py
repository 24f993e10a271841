"""The order in which the files of tests begin."""

# Files that take longest, to be begun first: none is then left alone at the end. The first ones
# mostly wait, for what is away or full, beside others that compute.
LONGEST = [
    *("ingest/test_faults", "search/doctor/test_remedies", "vectors/test_remote"),
    *("ingest/test_overlap", "ingest/test_following", "vectors/test_documents"),
    *("local/test_gateway_upstreams", "search/test_moving_over", "ingest/test_generations"),
    *("ingest/test_faults_of_connections", "distill/test_refusals", "test_written_by_0_1"),
    *("search/test_searcher", "local/test_recovery", "local/test_rebuilding"),
    *("search/test_default", "local/test_port", "search/test_command", "distill/test_training"),
    *("vectors/test_workers", "search/test_in_place", "vectors/test_student"),
    *("local/test_text_search", "ingest/test_kills", "local/test_faults", "local/test_langchain"),
    *("search/eval/test_sweep", "search/test_options", "ingest/test_compression"),
    *("distill/test_result", "search/test_python_reference", "distill/test_resuming"),
    *("ingest/test_on_ray", "local/test_pytest_plugin"),
]
