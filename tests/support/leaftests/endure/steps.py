"""Steps: some commands at once, some of them killed, and a look at what they have made."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pymongo.database import Database

from leaftests.endure.model import CollectionModel, Docs, Op, orders, touched
from leaftests.endure.world import CHUNKS, MANY, Violation, World, difference, text, waits
from leaftests.forked import Command

SOURCES = ("s", "t")
EDITIONS = (0, 1, 2)
_HEADER = 2  # bytes of a stored vector before its numbers
_SEARCH = "Sentence 1 of 7 in edition 1."


@dataclass
class Overlap:
    """What became of commands that ran at once."""

    done: list[Op]
    stopped: list[Op]  # killed, interrupted, or failed with a line
    said: list[str]


def step_documents(world: World, database: Database[Any]) -> None:
    """Ingests and prunes of overlapping documents, at times beside a repair."""
    chance, name = world.chance, database.name
    first = Op("ingest", ids(0, MANY), 0, "s")
    world.finish(lambda: world.start(name, first, dims=64), kills=2)
    there = first.written()
    for _ in range(3):
        ops = [some_ingest(world) for _ in range(chance.choice((2, 2, 3)))]
        if chance.random() < 0.25:
            ops.append(Op("repair"))
        batch = at_once(world, name, ops)
        model = CollectionModel.of(there)
        found = world.found(name)
        # A run that was stopped may have left any of its own documents half-way, and no other.
        free = {d for op in batch.stopped for d in touched(op, there, ops)}
        ends = [end.found for end in orders(model, batch.done)]
        sure = {d: v for d, v in found.items() if d not in free}
        wanted = [{d: v for d, v in end.items() if d not in free} for end in ends]
        demand(world, sure in wanted, "beside runs that were stopped", batch, sure, wanted)
        for op in batch.stopped:
            world.finish(lambda op=op: world.start(name, op), kills=3)  # type: ignore[misc]
        found = world.found(name)
        ends = [_after(end, batch.stopped).found for end in orders(model, batch.done)]
        demand(world, found in ends, "after all have ended well", batch, found, ends)
        there = {d: v for d, v in found.items() if v is not None}


def step_generations(world: World, database: Database[Any]) -> None:
    """Rebuild, rollback, retire and repair beside ingests, and a search all the while."""
    chance, name = world.chance, database.name
    first = Op("ingest", ids(0, MANY), 0, "s")
    world.finish(lambda: world.start(name, first, dims=64, wait=240))
    model = CollectionModel.of(first.written())
    whole = Op("rebuild", ids(0, MANY), 0, "s", 128)
    for op in [[], [whole], [whole, Op("rollback")]][chance.randrange(3)]:
        world.finish(lambda op=op: world.start(name, op))  # type: ignore[misc]
        model = _after(model, [op])
    dims = 128 if model.dims[model.active] == 64 else 64
    rebuild = Op("rebuild", ids(0, MANY), chance.choice(EDITIONS), "s", dims)
    ops = [chance.choice((rebuild, rebuild, Op("rollback"), Op("retire")))]
    ops += [some_ingest(world) for _ in range(chance.choice((1, 1, 2)))]
    if chance.random() < 0.3:
        ops.append(Op("retire"))
    if chance.random() < 0.25:
        ops.append(Op("repair"))
    chance.shuffle(ops)
    batch = at_once(world, name, ops, search=True)
    again = [op for op in batch.stopped if op.kind in ("ingest", "prune")]
    for op in again:
        world.finish(lambda op=op: world.start(name, op))  # type: ignore[misc]
    found = world.found(name)
    ends = [_after(end, again).found for end in orders(model, batch.done, batch.stopped)]
    if any("searches of chunks switched to generation" in said for said in batch.said):
        world.ledger.add(world.ledger.checks, "a move that lost documents said so")
        return
    demand(world, found in ends, "of generations", batch, found, ends)


def step_follow(world: World, database: Database[Any]) -> None:
    """A follower that is killed and started again while its source changes, beside others."""
    chance, name = world.chance, database.name
    articles = database["articles"]
    texts = {number: 0 for number in range(60)}
    world.asked(lambda: articles.insert_many([_article(n, 0) for n in texts]))
    path = (f"mongodb:{name}.articles", "--text-field", "body", *CHUNKS)
    foreign = Op("ingest", ids(100, 160), 1, "other")
    world.finish(lambda: world.start(name, foreign, dims=64))

    def start() -> Command:
        return world.command(name, *path, "--follow")

    follower = start()
    for _ in range(chance.choice((3, 4, 5))):
        _change(world, articles, texts)
        kind = chance.choice(("kill", "kill", "interrupt", "prune", "foreign"))
        if kind in ("kill", "interrupt"):
            follower.ends_in(chance.uniform(0, 2) * world.seconds)
            if kind == "kill":
                world.judged(follower.kill())
                world.ledger.kills += 1
            else:
                follower.signal(signal.SIGTERM)
                world.judged(follower.ended())
            _change(world, articles, texts)
            follower = start()
        elif kind == "prune":
            beside = world.command(name, *path, "--prune")
            _change(world, articles, texts)
            world.judged(beside.ended())
        else:
            world.judged(world.start(name, foreign).ended())
        if follower.ends_in(0):
            world.judged(follower.ended())
            follower = start()  # as a supervisor does
    wanted = {str(n): world.content(n, e, "", 64) for n, e in texts.items()}
    wanted |= {f"d{n}": world.content(n, 1, "", 64) for n in range(100, 160)}
    try:
        whole = waits(lambda: follower.ends_in(0) or _texts(world, name) == _bare(wanted))
        if whole and follower.ends_in(0):
            world.judged(follower.ended())
            follower = start()
            whole = waits(lambda: _texts(world, name) == _bare(wanted))
        world.ledger.add(world.ledger.checks, "a follower has caught up")
        if not whole:
            there, right = _texts(world, name), _bare(wanted)
            wrong = sorted(d for d in there.keys() | right.keys() if there.get(d) != right.get(d))
            raise Violation(f"{name}: a follower never catches up with {wrong[:5]} of {len(wrong)}")
    finally:
        follower.signal(signal.SIGTERM)
        world.judged(follower.ended())


def step_in_place(world: World, database: Database[Any]) -> None:
    """Two runs and a follower that put vectors into the same documents, whose texts change."""
    chance, name = world.chance, database.name
    articles = database["articles"]
    texts = {number: 0 for number in range(80)}
    world.asked(lambda: articles.insert_many([_article(n, 0) for n in texts]))
    path = (f"mongodb:{name}.articles", "--text-field", "body", "--in-place")

    def start(*more: str) -> Command:
        return world.command(name, *path, *more, dims=64)

    running = [start(), start(), start("--follow")]
    for _ in range(3):
        _change(world, articles, texts)
        number = chance.randrange(len(running))
        running[number].ends_in(chance.uniform(0, 1.5) * world.seconds)
        world.ledger.kills += not running[number].ends_in(0)
        world.judged(running[number].kill())
        running[number] = start(*(["--follow"] if number == 2 else []))
    running[2].ends_in(world.seconds)
    running[2].signal(signal.SIGTERM)
    for command in running:
        world.judged(command.ended())
    world.finish(start, kills=3)
    for stored in world.stored(name, "articles"):
        (row,) = world.encoder.encode_documents([stored["body"]])
        vector = np.frombuffer(bytes(stored.get("embedding", b""))[_HEADER:], "<f4")
        if vector.shape != row.shape or not np.allclose(vector, row, atol=1e-6):
            raise Violation(f"{name}: article {stored['_id']} has a vector of another text")
    world.ledger.add(world.ledger.checks, "vectors in place are those of their texts")


STEPS: dict[str, Callable[[World, Database[Any]], None]] = {
    "documents": step_documents,
    "generations": step_generations,
    "follow": step_follow,
    "in place": step_in_place,
}


def ids(first: int, end: int) -> tuple[str, ...]:
    return tuple(f"d{number}" for number in range(first, end))


def some_ingest(world: World) -> Op:
    """Choose so many documents that two choices mostly share some."""
    chance = world.chance
    first = chance.randrange(MANY // 2)
    some = ids(first, chance.randint(first + MANY // 4, MANY))
    kind = chance.choice(("ingest", "prune"))
    return Op(kind, some, chance.choice(EDITIONS), chance.choice(SOURCES))  # type: ignore[arg-type]


def at_once(world: World, name: str, ops: Sequence[Op], *, search: bool = False) -> Overlap:
    """About half of them are killed at any moment, some interrupted."""
    chance, batch = world.chance, Overlap([], [], [])
    events: list[tuple[float, int, str]] = []
    for number in range(len(ops)):
        at = chance.uniform(0, 0.5) * world.seconds
        events.append((at, number, "start"))
        if chance.random() < 0.75:
            how = "interrupt" if chance.random() < 0.15 else "kill"
            events.append((at + chance.uniform(0.1, 1.3) * world.seconds, number, how))
    commands: dict[int, Command] = {}
    ended: dict[int, Any] = {}
    begun = time.monotonic()
    for at, number, what in sorted(events):
        time.sleep(max(0.0, begun + at - time.monotonic()))
        if what == "start":
            commands[number] = world.start(name, ops[number])
        elif not commands[number].ends_in(0):
            if what == "kill":
                ended[number] = commands[number].kill()
                world.ledger.kills += 1
            else:
                commands[number].signal(signal.SIGINT)
    if search:
        _search(world, name)
    for number, command in commands.items():
        done = world.judged(ended.get(number) or command.ended())
        (batch.done if done.returncode in (0, 3) else batch.stopped).append(ops[number])
        batch.said.append(f"{ops[number]}: {done.returncode} {done.stderr.strip()}")
    return batch


def demand(
    world: World,
    holds: bool,
    when: str,
    batch: Overlap,
    found: dict[str, Any],
    wanted: Sequence[Docs],
) -> None:
    world.ledger.add(world.ledger.checks, when)
    if not holds:
        ran = "; ".join(batch.said)
        wrong = difference(found, wanted) if wanted else "no order of them explains that all ended"
        raise Violation(f"{when}: {wrong}. Ran: {ran}")


def _after(model: CollectionModel, ops: Sequence[Op]) -> CollectionModel:
    for op in ops:
        model = model.after(op) or model
    return model


def _search(world: World, name: str) -> None:
    """Whatever is retired or rebuilt beside it, it finds something."""
    environ = {**os.environ, "MONGODB_URI": world.uri, "LEAF_DATABASE": name}
    done = Command("leaf-search", _SEARCH, "-k", 3, "--json", environ=environ).ended()
    world.ledger.add(world.ledger.endings, f"search exit {done.returncode}")
    faulty = bool(world.ledger.faults) and "does not answer" in done.stderr
    if not faulty and (done.returncode or "Sentence" not in done.stdout):
        raise Violation(f"leaf-search ends with {done.returncode}: {done.stderr} {done.stdout}")
    world.ledger.add(world.ledger.checks, "a search beside them found something")


def _article(number: int, edition: int) -> dict[str, Any]:
    return {"_id": number, "body": text(number, edition)}


def _change(world: World, articles: Any, texts: dict[int, int]) -> None:
    """Some articles come, some change, some go."""
    chance = world.chance
    for _ in range(chance.randint(3, 15)):
        number = chance.randrange(90)
        if number in texts and chance.random() < 0.4:
            del texts[number]
            world.asked(lambda n=number: articles.delete_one({"_id": n}))  # type: ignore[misc]
        else:
            texts[number] = chance.choice(EDITIONS)
            new = _article(number, texts[number])
            world.asked(
                lambda new=new: articles.update_one(  # type: ignore[misc]
                    {"_id": new["_id"]}, {"$set": new}, upsert=True
                )
            )


def _texts(world: World, name: str) -> dict[str, set[tuple[Any, ...]]]:
    """Positions, texts and vectors of each document."""
    found: dict[str, set[tuple[Any, ...]]] = {}
    for chunk in world.stored(name):
        content = (chunk["position"], chunk["text"], bytes(chunk["embedding"]))
        found.setdefault(chunk["document"], set()).add(content)
    return found


def _bare(wanted: dict[str, Any]) -> dict[str, set[tuple[Any, ...]]]:
    return {d: {(p, t, v) for p, t, _, _, _, v in content} for d, content in wanted.items()}
