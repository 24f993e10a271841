"""Measure how fast leafmongo is: every bar of its speed table, seen from a client.

    .venv/bin/python -m benchmarks.local_gateway [--small] [--prefer] [--json FILE] [--only NAME]

Starts deployments of its own in a temporary folder, sends everything through PyMongo, and
alternates with a direct connection to the same mongod within one run. --small has a twentieth of
the documents and takes under a minute; its bars mean nothing. --prefer, as root, gives the timed
searches priority over everything else on a shared machine.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bars import Row, row
from benchmarks.gateway_corpora import bit_rows, fill, float_rows, searching
from benchmarks.gateway_neighbours import answer, filtered_by, half_messages, slowest_pings
from benchmarks.gateway_process import (
    cpu_seconds,
    killed,
    processes,
    ready_after_start,
    resident_bytes,
)
from benchmarks.measuring import UNCOUNTED, Spread, circumstances, preferred, repeated, timed
from pymongo import MongoClient

from leafmongo import LocalDeployment
from leafmongo.deployment.paths import Home, socket_uri

Client = MongoClient[dict[str, Any]]
_QUERIES = 100


@dataclass(frozen=True)
class Run:
    """`share` is of the full number of documents."""

    share: float
    preferred: bool


@contextmanager
def deployment() -> Iterator[tuple[LocalDeployment, Client, Client]]:
    """Running, with a client through the gateway and one past it."""
    with tempfile.TemporaryDirectory(prefix="leaf-", dir="/tmp") as folder:
        home = Path(folder, "home")
        direct_uri = socket_uri(Home.at(home).mongod_socket)
        with (
            LocalDeployment(home) as running,
            Client(running.uri) as gateway,
            Client(direct_uri) as direct,
        ):
            yield running, gateway, direct


def round_trip(run: Run) -> Iterator[Row]:
    """Rounds of pings that take turns; of each round the difference of the medians."""
    with deployment() as (_, gateway, direct):
        pings = [lambda c=client: c.admin.command("ping") for client in (direct, gateway)]
        rounds = [
            [repeated(ping, 500) for ping in pings] for _ in range(max(3, int(15 * run.share)))
        ]
    more = Spread.of([through.median - past.median for past, through in rounds])
    alone = Spread.of([past.median for past, _ in rounds])
    yield row("small command, added", more, 0.15, "ms", direct=str(alone))


def bulk_insert(run: Run) -> Iterator[Row]:
    count = int(50_000 * run.share)
    documents = [{"v": vector} for vector in float_rows(count).binaries()]
    with deployment() as (_, gateway, direct):

        def rate(client: Client) -> float:
            target = client["bench"].create_collection("bulk")
            seconds = timed(lambda: target.insert_many([dict(d) for d in documents], ordered=False))
            target.drop()
            return count / seconds

        rate(direct), rate(gateway)
        rounds = [(rate(direct), rate(gateway)) for _ in range(7)]
    share = Spread.of([100 * through / past for past, through in rounds])
    alone = Spread.of([past for past, _ in rounds])
    yield row("bulk insert of direct", share, 75, "%", least=True, direct_per_s=str(alone))


def searched(
    run: Run, running: LocalDeployment, search: Callable[[], None]
) -> tuple[Spread, float]:
    """Milliseconds of a search, and of the gateway's processor time for one."""
    search()  # starts the threads, which are preferred only if they are there
    with preferred(processes(running)) if run.preferred else nullcontext():
        before = cpu_seconds(running)
        figure = repeated(search, _QUERIES)
    return figure, 1e3 * (cpu_seconds(running) - before) / (_QUERIES + UNCOUNTED)


def hundred_thousand(run: Run) -> Iterator[Row]:
    corpus = float_rows(int(100_000 * run.share))
    with deployment() as (running, gateway, _):
        fill(gateway, corpus)
        figure, cpu = searched(run, running, searching(gateway, corpus))
        yield row("100,000 x 256 float32", figure, 6, "ms", cpu_ms=cpu)
        figure, cpu = searched(run, running, searching(gateway, corpus, filter={"share": 0}))
        yield row("filter keeping 1 %", figure, 10, "ms", cpu_ms=cpu)


def million_bits(run: Run) -> Iterator[Row]:
    corpus = bit_rows(int(1_000_000 * run.share))
    with deployment() as (running, gateway, _):
        fill(gateway, corpus)
        figure, cpu = searched(run, running, searching(gateway, corpus))
    yield row("1,000,000 x 1024 bits", figure, 15, "ms", cpu_ms=cpu)


def million_floats(run: Run) -> Iterator[Row]:
    corpus = float_rows(int(1_000_000 * run.share))
    with deployment() as (running, gateway, _):
        before = resident_bytes(running)
        built = fill(gateway, corpus)
        found, cpu = searched(run, running, searching(gateway, corpus))
        memory = (resident_bytes(running) - before) / 1e6
        most = 1.25 * corpus.rows.nbytes / 1e6 + 300
        yield row("1,000,000 x 256 float32", found, 45, "ms", cpu_ms=cpu)
        yield row("its memory", Spread.of([memory]), most, "MB", resident_before=before)
        clean = ready_after_start(running, corpus, stop=running.stop)
        yield row("ready after restart", Spread.of([clean]), 30, "s", first_build=f"{built:.1f}")
        after_kill = ready_after_start(running, corpus, stop=lambda: killed(running))
        yield row("ready after SIGKILL", Spread.of([after_kill]), 30, "s")


def huge_filter(run: Run) -> Iterator[Row]:
    """The slowest ping of another client in each of ten searches; past the gateway at the same
    time, for what the machine itself does to a ping."""
    corpus = float_rows(int(100_000 * run.share))
    stage = {"index": "default", "path": "v", "limit": 10, "exact": True}
    with deployment() as (running, gateway, direct):
        fill(gateway, corpus)
        at = Home.at(Path(running.status().home)).gateway_socket
        message = filtered_by(
            range(int(1_000_000 * run.share)),
            {"$vectorSearch": {**stage, "queryVector": corpus.binary(corpus.queries[0])}},
        )
        seconds = []
        rounds = [
            slowest_pings(
                [gateway, direct], lambda: seconds.append(timed(lambda: answer(at, message)))
            )
            for _ in range(10)
        ]
    slowest = Spread.of([through for through, _ in rounds])
    past = Spread.of([past for _, past in rounds])
    answered = Spread.of(seconds)
    name = "another's slowest ping, $in of 1,000,000"
    yield row(name, slowest, 50, "ms", direct=str(past), answered_s=str(answered))
    yield row("the search itself", answered, 5, "s")


def half_sent(run: Run) -> Iterator[Row]:
    with deployment() as (running, gateway, _):
        gateway.admin.command("ping")
        at = Home.at(Path(running.status().home)).gateway_socket
        before = resident_bytes(running)
        most, after = half_messages(at, 40, lambda: resident_bytes(running))
    grown, kept = ((figure - before) / 2**20 for figure in (most, after))
    yield row("40 half messages of 47 MB", Spread.of([grown]), 512, "MiB")
    yield row("when they have left", Spread.of([kept]), 64, "MiB")


PARTS: dict[str, Callable[[Run], Iterable[Row]]] = {
    "round-trip": round_trip,
    "insert": bulk_insert,
    "100k": hundred_thousand,
    "bits": million_bits,
    "floats": million_floats,
    "filter": huge_filter,
    "halves": half_sent,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a twentieth of the documents")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--prefer", action="store_true", help="as root: over other work")
    given = parser.parse_args()
    run = Run(0.05 if given.small else 1.0, given.prefer)
    machine = circumstances("numpy", "numkong", "pymongo")
    rows = []
    print("| what | median (quartiles) | bar | | gateway CPU |\n|---|---|---|---|---|")
    for name in given.only:
        for each in PARTS[name](run):
            rows.append(each)
            print(line(each), flush=True)
    if given.json:
        given.json.write_text(json.dumps({**machine, "small": given.small, "rows": rows}, indent=2))


def line(each: Row) -> str:
    figure = Spread(each["median"], each["low"], each["high"])
    verdict = "met" if each["met"] else "missed"
    cpu = f"{each['cpu_ms']:.1f} ms" if "cpu_ms" in each else ""
    return f"| {each['what']} | {figure} {each['unit']} | {each['bar']:.4g} | {verdict} | {cpu} |"


if __name__ == "__main__":
    main()
