"""The order in which the files of tests begin."""

from pathlib import Path

from leaftests.paths import ROOT

# Files that take longest, to be begun first: none is then left alone at the end. The first ones
# mostly wait, for what is away or full, beside others that compute.
LONGEST = [
    *("ingest/pipeline/test_faults", "doctor/test_remedies", "vectors/encoders/test_remote"),
    *(
        "ingest/target/test_overlap",
        "ingest/sources/mongodb/test_following",
        "vectors/encoders/torch/test_documents",
    ),
    *(
        "leafmongo/deployment/test_upstream",
        "search/session/test_moving_over",
        "ingest/generations/test_generations",
    ),
    *("ingest/pipeline/test_faults_of_connections", "distill/test_refusals", "test_written_by_0_1"),
    *("search/test_searcher", "leafmongo/deployment/test_recovery", "leafmongo/indexes/test_build"),
    *(
        "search/test_default",
        "leafmongo/deployment/test_port",
        "search/test_command",
        "distill/train/test_training",
    ),
    *(
        "vectors/encoders/torch/test_workers",
        "search/test_in_place",
        "vectors/encoders/onnx/test_student",
    ),
    *(
        "leafmongo/queries/test_text_search",
        "ingest/pipeline/test_kills",
        "leafmongo/deployment/test_faults",
        "leafmongo/test_langchain",
    ),
    *(
        "evaluation/test_sweep",
        "search/test_options",
        "ingest/sources/readers/packed/test_compression",
    ),
    *("distill/publish/test_result", "search/test_python_reference", "distill/train/test_resuming"),
    *("ingest/on_ray/test_on_ray", "leafmongo/test_pytest_plugin"),
]


def path_of(name: str) -> Path:
    mongo = name.removeprefix("leafmongo/")
    tests = ROOT / "tests" if mongo == name else ROOT / "leafmongo" / "tests"
    return tests / f"{mongo}.py"
