"""Several replicas, random edits, a network that fails at random: in the end all are equal.

Everything is drawn from one seed, so a failure comes again. The storm does the same to real processes.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.sync.replicas import Collection, Replica
from windlass.errors import StoreError
from windlass.sync.merge import latest, merge
from windlass.sync.telling import Postponed

FAULTS = ("lost", "unanswered", "500", "429")
POLICIES: dict[str, Any] = {
    "client": "client",
    "server": "server",
    "merge": merge({"title": "client", "done": "server"}, default="client"),
    "latest": latest("note"),
    "function": lambda conflict: (
        max(conflict.mine, conflict.theirs, key=str) if conflict.theirs else conflict.mine
    ),
}


class World:
    """Some replicas of one collection, and whoever edits them."""

    def __init__(
        self, place: Callable[[int], str], seed: int, *, count: int, policy: Any, **traits: bool
    ) -> None:
        self.chance = random.Random(seed)
        self.collection = Collection(**traits)
        self.replicas = [
            Replica(place(number), self.collection, on_conflict=policy, page_size=3)
            for number in range(count)
        ]
        self.steps = 0
        for one in self.replicas:
            one.engine.install("tasks")
            one.wire.fault = self._fault
        self.flaky = True

    def _fault(self, _: str) -> str | None:
        if not self.flaky or self.chance.random() > 0.3:
            return None
        return self.chance.choice(FAULTS)

    def edit(self) -> None:
        """One edit of one replica, by plain SQL."""
        one, key = self.chance.choice(self.replicas), str(self.chance.randrange(6))
        self.steps += 1
        text = f"2026-01-01T00:{self.steps // 60:02d}:{self.steps % 60:02d}Z"
        match self.chance.randrange(6):
            case 0:
                one.do("DELETE FROM tasks WHERE id = ?", key)
            case 1:
                one.do("UPDATE tasks SET done = 1 - done, note = ? WHERE id = ?", text, key)
            case 2:
                one.do("UPDATE tasks SET title = ?, note = ? WHERE id = ?", f"title {text}", text, key)
            case _:
                new = "INSERT INTO tasks VALUES (?, ?, 0, ?)"
                over = "ON CONFLICT (id) DO UPDATE SET title = excluded.title"
                one.do(f"{new} {over}", key, f"title {text}", text)

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.edit()
            one = self.chance.choice(self.replicas)
            for sync in (one.push, one.pull):
                if self.chance.random() < 0.6:
                    # Cut off from its server, or from its own database.
                    with suppress(Postponed, StoreError):
                        sync()
            one.clock.advance(f"{self.chance.randrange(1, 900)}s")

    def drain(self) -> None:
        self.flaky = False
        for _ in range(8):
            for one in self.replicas:
                one.clock.advance("2h")
                for key in [change.key for _, change in one.cycle.ledger.changes("tasks", status="failed")]:
                    self._retry(one, key)
                one.sync()

    def _retry(self, one: Replica, key: Any) -> None:
        from windlass.sync import reconcile

        with one.cycle.ledger.hold("tasks") as hold:
            one.cycle.step(hold, [key], lambda standing: reconcile.retry(standing, one.clock.wall_us()))

    def close(self) -> None:
        for one in self.replicas:
            one.close()


def files(folder: Path) -> Callable[[int], str]:
    """A database file for each replica."""
    return lambda number: str(folder / f"{number}.db")


@pytest.fixture
def worlds() -> Iterator[list[World]]:
    made: list[World] = []
    yield made
    for world in made:
        world.close()


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("seed", range(2))
def test_replicas_converge(worlds: list[World], tmp_path: Path, seed: int, policy: str) -> None:
    world = World(files(tmp_path), seed, count=3 + seed % 3, policy=POLICIES[policy])
    worlds.append(world)
    world.run(60)
    world.drain()
    agrees(world)


def agrees(world: World) -> None:
    """All that was said to be equal is, and each change had one effect."""
    expected = {key: {"done": 0, "note": None, **row} for key, row in world.collection.alive().items()}
    for one in world.replicas:
        assert one.rows() == expected
        assert one.counts() == {"pending": 0, "failed": 0, "conflicts": 0, "held": 0}
    assert len(world.collection.applied) == len(set(world.collection.applied)), "each mutation has one effect"


@pytest.mark.parametrize("seed", range(2))
def test_replicas_converge_where_the_server_keeps_no_tombstones(
    worlds: list[World], tmp_path: Path, seed: int
) -> None:
    world = World(files(tmp_path), 100 + seed, count=3, policy="client", tombstones=False)
    worlds.append(world)
    world.run(60)
    world.drain()
    for one in world.replicas:
        one.pull(sweep_all=True)
    for one in world.replicas:
        assert set(one.rows()) == set(world.collection.alive())


# ── on PostgreSQL ──────────────────────────────────────────────────────────────────────────────────
END_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


PLACES = {
    "push",
    "pull",
    *(f"{when} {verb}" for when in ("before", "after") for verb in ("write", "seal_batch")),
}


def cut_off(world: World, one: Replica, share: float) -> list[str]:
    """Ends the replica's own connections now and then: before a request, and before and after each write.

    The first time at each of these places for certain: how often the dice meet one depends on how far a cycle
    came, which is different each time.
    """
    cut: list[str] = []

    def perhaps(where: str) -> None:
        if world.flaky and (where not in cut or world.chance.random() < share):
            one.db.execute(END_OTHERS)
            cut.append(where)

    def around(name: str) -> None:
        verb = getattr(one.store.ledger, name)

        def call(*args: Any, **more: Any) -> Any:
            perhaps(f"before {name}")
            done = verb(*args, **more)
            perhaps(f"after {name}")
            return done

        setattr(one.store.ledger, name, call)

    for name in ("write", "write_new", "seal_batch", "settle_batch"):
        around(name)
    one.wire.before = perhaps
    return cut


@pytest.mark.slow
def test_replicas_on_postgresql_converge_whatever_is_cut(
    worlds: list[World], postgres_ready_urls: Callable[[], str]
) -> None:
    """A holder that lost its connection holds nothing any more, and what it had begun is found again."""
    world = World(lambda _: postgres_ready_urls(), 1, count=3, policy=POLICIES["merge"])
    worlds.append(world)
    cut = [cut_off(world, one, 0.07) for one in world.replicas]
    world.run(40)
    world.drain()
    assert {where for told in cut for where in told} >= PLACES, "it was cut wherever it could be"
    agrees(world)
