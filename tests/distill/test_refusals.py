"""A request that cannot be distilled gets a one-line error and leaves nothing at --out."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from leafmongo.deployment.process import FileLock
from leafsearch.distill.run import load_teacher
from leaftests.distill.making import PARAGRAPHS, Ended, collection, commanded
from leaftests.paths import ROOT

PASSING = "to learn from", "are truncated to 128 tokens"
QUICK = ("--examples", 300, "--epochs", 1, "--batch", 64)


@pytest.fixture
def teacher(published_pair: tuple[str, str]) -> str:
    """Whose space is too narrow to be learnt, which is all the same here."""
    return published_pair[0]


def run(teacher: str, texts: Path, *args: object, **environ: str) -> Ended:
    return commanded("--teacher", teacher, "--texts", texts, "--out", "out", *args, **environ)


def assert_refused(ended: Ended, expected: str) -> None:
    assert ended.code == 1
    assert ended.out == ""
    (line,) = [line for line in ended.err.splitlines() if not line.endswith(PASSING)]
    assert line.startswith(f"leaf-distill: {expected}"), line
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hashing:64", "teacher hashing:64: expected a model that sentence-transformers loads"),
        ("http://127.0.0.1:9/#x", "teacher http://127.0.0.1:9/#x: expected a model that"),
        ("./none", "model ./none: no such folder"),
    ],
)
def test_a_teacher_has_to_be_a_model_that_torch_loads(
    name: str, expected: str, texts: Path
) -> None:
    assert_refused(run(name, texts), expected)


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--layers", "0,2"], "layers 0, 2: "),
        (["--layers", "-1"], "layers -1: "),
        (["--truncated", "65"], "truncated to 65 dimensions: teacher "),
        (["--student", "./none"], "model ./none: no such folder"),
        (["--evaluate", "none"], "none: "),
        (["--devices", "cpu,gpu"], "--devices gpu: expected cpu, cuda:0 or the like"),
        (["--devices", "cuda:99"], "--devices cuda:99: "),
        (["--devices", "cpu:0"], "--devices cpu:0: expected cpu, cuda:0 or the like"),
        (["--devices", "cpu,cuda:0"], "--devices cpu,cuda:0: expected CPUs, or each GPU once"),
        (["--devices", "cuda:0,cuda:0"], "--devices cuda:0,cuda:0: expected CPUs, or each GPU"),
    ],
)
def test_a_request_that_does_not_fit_the_teacher_fails_before_the_work(
    args: list[str], expected: str, teacher: str, texts: Path
) -> None:
    assert_refused(run(teacher, texts, *args), expected)
    assert not Path("out.work").exists()


@pytest.mark.parametrize(
    ("queries", "expected"),
    [
        ("", "--queries asked: empty; expected a query a line"),
        ('{"text": "one"}\n{"text": null}\n', "--queries asked:2: expected a field text"),
        ('{"query": "one"}\n', "--queries asked:1: expected a field text with a string"),
        ('{"text": "one"}\n{"text": \n', "--queries asked:2: not JSON, as the first line is"),
        ('{"text": "one"}\nplain\n', "--queries asked:2: not JSON, as the first line is"),
        (b"\xff\xfe", "--queries asked: cannot be read: "),
    ],
)
def test_invalid_queries_are_rejected(
    queries: str | bytes, expected: str, teacher: str, texts: Path
) -> None:
    Path("asked").write_bytes(queries if isinstance(queries, bytes) else queries.encode())

    assert_refused(run(teacher, texts, "--queries", "asked"), expected)


def test_too_few_texts_are_rejected(teacher: str) -> None:
    Path("few.jsonl").write_text('{"text": "one text"}\n{"text": "another text"}\n')
    Path("none.jsonl").write_text("")

    assert_refused(run(teacher, Path("none.jsonl")), "no text found in none.jsonl")
    assert_refused(run(teacher, Path("few.jsonl")), "4 texts are too few to learn from")
    assert not Path("out.work/targets.npy").exists()


@pytest.mark.long
def test_a_work_folder_of_another_run_is_rejected(teacher: str, texts: Path) -> None:
    other = Path("other.jsonl")
    other.write_text("".join(json.dumps({"text": text}) + "\n" for text in PARAGRAPHS[:200]))
    kept = ("--work", "work", *QUICK)
    assert run(teacher, texts, *kept).code == 0
    shutil.rmtree("out")

    settings = run(teacher, texts, *kept, "--seed", 2, "--bits", 1)
    words = run(teacher, other, *kept)

    assert_refused(
        settings,
        "work holds a run with other settings (seed 1 there, 2 here, bits 0.0 there, 1.0 here); "
        "remove it, or give another --work",
    )
    assert_refused(words, "work holds the teacher's vectors of other texts")


@pytest.mark.long
def test_a_work_folder_serves_one_run_at_a_time(teacher: str, texts: Path) -> None:
    Path("work").mkdir()
    lock = FileLock(Path("work/lock"))
    assert lock.acquire()

    refused = run(teacher, texts, "--work", "work", *QUICK)
    lock.release()
    ended = run(teacher, texts, "--work", "work", *QUICK)

    assert refused.code == 1
    assert refused.err == "leaf-distill: work: another process is distilling in it\n"
    assert ended.code == 0, ended.err


def test_an_unreachable_server_is_reported_before_the_work(
    teacher: str, texts: Path, tmp_path: Path
) -> None:
    asked = ("--evaluate", collection(tmp_path / "small"))
    nowhere = "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=300"

    ended = run(teacher, texts, *asked, MONGODB_URI=nowhere)

    assert_refused(ended, "MongoDB does not answer: 127.0.0.1:9")
    assert not Path("out.work").exists()


@pytest.mark.long
def test_a_link_to_an_empty_folder_is_filled(teacher: str, texts: Path) -> None:
    Path("elsewhere").mkdir()
    Path("out").symlink_to("elsewhere")

    ended = run(teacher, texts, *QUICK)

    assert ended.code == 0, ended.err
    assert Path("elsewhere/modules.json").is_file()
    assert Path("out").is_symlink()


@pytest.mark.long
def test_a_run_that_fails_at_its_end_leaves_nothing_at_out_and_is_finished_by_the_next(
    teacher: str, texts: Path, mongodb_uri: str, tmp_path: Path
) -> None:
    """The first has no folder for its MongoDB, which a test collection needs."""
    (tmp_path / "file").touch()
    small = collection(tmp_path / "small")

    failed = run(teacher, texts, *QUICK, "--evaluate", small, LEAF_HOME=str(tmp_path / "file"))
    left = {entry.name for entry in tmp_path.iterdir()}
    ended = run(teacher, texts, *QUICK, "--evaluate", small, MONGODB_URI=mongodb_uri)

    assert failed.code == 1
    assert left == {"file", "small", "out.work"}
    assert ended.code == 0, ended.err
    assert "training resumes after step 4" in ended.err
    assert "small, teacher / student, bits 64: nDCG@10 " in ended.out
    assert {entry.name for entry in tmp_path.iterdir()} == {"file", "small", "out"}


@pytest.mark.long
def test_a_student_that_ingest_will_reject_is_reported(teacher: str, texts: Path) -> None:
    ended = run(teacher, texts, *QUICK)

    assert ended.code == 0
    assert ended.out.startswith("out: mean cosine 0.")
    assert "not usable yet: on texts of all kinds its cosine" in ended.out
    assert "use it:" not in ended.out
    (again,) = re.findall(r"`(leaf-distill [^`]+)`", ended.out)
    assert shlex.split(again)[1:5] == ["--out", "out_2", "--epochs", "2"]
    assert f"--teacher {teacher} --texts {texts}" in again


@pytest.mark.long
def test_a_teacher_that_cannot_be_exported_is_learnt_from_all_the_same(
    teacher: str, texts: Path, tmp_path: Path
) -> None:
    """Pooling that leaves the prompt out needs to know its length, which a graph does not."""
    shutil.copytree(teacher, tmp_path / "odd")
    (config,) = (tmp_path / "odd").glob("1_Pooling/config.json")
    config.write_text(
        json.dumps(
            {**json.loads(config.read_text()), "pooling_mode": "mean", "include_prompt": False}
        )
    )
    assert not load_teacher("odd", ()).model[1].include_prompt

    ended = run("odd", texts, *QUICK, "--json")

    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["latency"] is None
    assert "not measured, because the teacher cannot be" in Path("out/README.md").read_text()


def test_without_torch_the_error_says_what_to_install(core_only: Path, texts: Path) -> None:
    ended = subprocess.run(
        [
            sys.executable,
            "-S",
            "-m",
            "leafsearch.distill",
            "--teacher",
            "t",
            "--texts",
            texts,
            "--out",
            "o",
        ],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{core_only}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert ended.stderr == (
        "leaf-distill: sentence-transformers is not installed; install the extra [ingest]\n"
    )
