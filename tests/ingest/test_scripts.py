"""The scripts beside the commands, run where nothing is installed: their commands only note how
they were called."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
NOTE = """#!/bin/sh
echo "$(basename "$0") $*" >>"$NOTES"
env | grep -E '^LEAF_' >>"$NOTES"
ls -A >>"$NOTES"
[ "$1" != - ] || cat >/dev/null
[ "$1" != uri ] || echo "mongodb://local"
"""


@pytest.fixture
def quickstart(tmp_path: Path) -> Callable[..., str]:
    """Runs it in a checkout of its own; what its commands noted."""
    checkout = tmp_path / "checkout"
    shutil.copytree(SCRIPTS, checkout / "scripts")
    commands = checkout / ".venv" / "bin"
    commands.mkdir(parents=True)
    for name in ("leaf-mongo", "leaf-ingest", "leaf-search"):
        (commands / name).write_text(NOTE)
        (commands / name).chmod(0o755)
    (checkout / "scripts" / "install").write_text("#!/bin/sh\n")
    (checkout / ".env").write_text("LEAF_STORAGE=binary\nLEAF_TEACHER=some/model\n")
    notes = tmp_path / "notes"

    def ran(**environ: str) -> str:
        environ = {**os.environ, "NOTES": str(notes), **environ}
        subprocess.run([checkout / "scripts" / "quickstart"], env=environ, check=True)
        return notes.read_text()

    return ran


def test_the_quickstart_heeds_no_settings_made_for_another_corpus(
    quickstart: Callable[..., str], tmp_path: Path
) -> None:
    noted = quickstart(LEAF_STORAGE="binary", LEAF_COLLECTION="mine", LEAF_HOME="home")

    home = f"LEAF_HOME={tmp_path}/checkout/home\n"
    ingest = "leaf-ingest - --preset offline --uri mongodb://local --collection python\n"
    assert ingest + home + "leaf-search" in noted
    assert "LEAF_STORAGE" not in noted
    assert ".env" not in noted


def test_a_reader_that_ends_early_makes_no_traceback() -> None:
    command = f"{SCRIPTS / 'python-reference'} | true"

    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)

    assert ended.stderr == ""
