"""`scripts/endure`: runs that overlap and are killed, for hours, against a model of what they do.

scripts/endure --hours 1 --seed 7        # steps of all kinds, with faults around them
scripts/endure --overlaps 100            # ingests beside a --prune of the same documents
scripts/endure --seed 7 --only 123       # the step that a violation named, once more
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from random import Random

from leafmongo import LocalDeployment
from leaftests.endure.faults import Faults, room, small_disk
from leaftests.endure.model import Ledger
from leaftests.endure.steps import STEPS
from leaftests.endure.world import Violation, World, waits
from leaftests.forked import hear_interrupts
from leaftests.ingest.relay import relay

_WEIGHTS = {"documents": 6, "generations": 2, "follow": 2, "in place": 1}
_ROOM = 250 * 2**20  # bytes that a step needs


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--hours", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, metavar="STEP", help="this step alone, ten times")
    parser.add_argument("--first", type=int, default=1, metavar="STEP", help="begin there")
    parser.add_argument("--kinds", default=",".join(_WEIGHTS), help="of steps")
    parser.add_argument("--no-faults", action="store_true", help="kill nothing but the runs")
    parser.add_argument("--overlaps", type=int, metavar="N", help="N trials of one overlap alone")
    asked = parser.parse_args()
    hear_interrupts()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that all is cleaned up
    for name in [n for n in os.environ if n.startswith(("LEAF_", "MONGODB_"))]:
        if name != "LEAF_MONGOD":
            del os.environ[name]
    with ExitStack() as opened:
        folder = Path(tempfile.mkdtemp(prefix="endure-", dir="/tmp"))
        opened.callback(shutil.rmtree, folder, ignore_errors=True)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        disk = opened.enter_context(small_disk(folder))
        deployment = opened.enter_context(LocalDeployment((disk or folder) / "home"))
        host = deployment.uri.split("//")[1].split("/?")[0].replace("%2F", "/")
        line = opened.enter_context(relay(host))
        uri = f"mongodb://127.0.0.1:{line.port}/?directConnection=true"
        ledger = Ledger()
        (folder / "corpora").mkdir()
        world = World(uri, deployment.uri, folder / "corpora", ledger)
        opened.callback(world.close)
        if asked.overlaps:
            return _overlaps(world, asked.overlaps)
        faults = None
        if not asked.no_faults:
            chance = Random(asked.seed)
            faults = Faults(deployment, line, disk, ledger, chance, pause=12)
            faults.start()
            opened.callback(faults.close)
        return _steps(world, asked, faults, disk)


def _steps(
    world: World, asked: argparse.Namespace, faults: Faults | None, disk: Path | None
) -> int:
    begun, number = time.monotonic(), asked.only or asked.first
    kinds = [k for k in asked.kinds.split(",") for _ in range(_WEIGHTS[k])]
    last, times = begun, 0
    while True:
        world.chance = Random(f"{asked.seed}-{number}")
        kind = world.chance.choice(kinds)
        try:
            with world.database(f"endure_{asked.seed}_{number}_{times}") as database:
                STEPS[kind](world, database)
        except Violation as violation:
            print(f"VIOLATION in step {number} ({kind}) of seed {asked.seed}: {violation}")
            print(world.ledger, flush=True)
            return 1
        world.clean()
        world.ledger.add(world.ledger.steps, kind)
        if faults is not None and faults.error:
            print(f"faults could not go on: {faults.error}\n{world.ledger}")
            return 1
        now, times = time.monotonic(), times + 1
        if now > last + 300:
            print(f"after {(now - begun) / 3600:.2f} h, step {number}:\n{world.ledger}", flush=True)
            last = now
        over = times == 10 if asked.only else now > begun + asked.hours * 3600
        # It may be full on purpose for a moment.
        if over or not waits(lambda: room(disk) > _ROOM, seconds=60):
            hours = (now - begun) / 3600
            print(f"{hours:.2f} h, seed {asked.seed}, steps {asked.first} to {number}: all held")
            print(world.ledger)
            return 0
        number += not asked.only


def _overlaps(world: World, trials: int) -> int:
    """A prune of the first two thirds of the documents beside an ingest of the last two thirds."""
    lost = surplus = failed = 0
    for trial in range(trials):
        with world.database(f"endure_overlap_{trial}") as database:
            chunks = database["chunks"]
            for name, first, end in (("ab", 0, 900), ("a", 0, 600), ("b", 300, 900)):
                lines = [json.dumps({"id": f"d{n}", "text": _text(n)}) for n in range(first, end)]
                (world.folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")

            def started(*options: str, name: str, dims: int = 0, here: str = database.name):  # type: ignore[no-untyped-def]
                return world.command(here, world.folder / f"{name}.jsonl", *options, dims=dims)

            world.finish(lambda s=started: s("--source", "s", name="ab", dims=64))
            before = set(chunks.distinct("_id"))
            runs = [
                started("--source", "s", "--prune", name="a"),
                started("--source", "other", name="b"),
            ]
            codes = [world.judged(run.ended()).returncode for run in runs]
            after = set(chunks.distinct("_id"))
            lost += len(before - after)
            surplus += len(after - before)
            failed += sum(code != 0 for code in codes)
    print(
        f"{trials} overlaps: {lost} chunks lost, {surplus} that should not be there, {failed} runs "
        "failed with a line"
    )
    return 1 if lost or surplus else 0


def _text(number: int) -> str:
    return " ".join(
        f"Sentence {n} of document {number} says so." for n in range(2 + number % 8 * 6)
    )


if __name__ == "__main__":
    sys.exit(main())
