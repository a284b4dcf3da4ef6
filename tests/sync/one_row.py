"""One row, one replica, one server: enough to see every order in which edits, requests and replies can fall.

The server is a model of what servers do (versions, conditions, mutation ids, tombstones); the replica
carries out the effects of the real functions as a ledger does. Each edit writes a value of its own, a
*token*, so that what became of it can be told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from windlass.change import KEEP, Change, Effect, RemoteRow, Row, Standing
from windlass.sync.merge import Latest, PerField, Policy, same, same_row
from windlass.sync.pending import carried_out
from windlass.sync.reconcile import (
    Answer,
    Failing,
    Limits,
    Met,
    Refused,
    Took,
    Waiting,
    basis,
    difference,
    fold,
    receive,
    resolve,
    retry,
    revert,
    seal,
    settle,
)

KEY = 1
LIMITS = Limits(key=("id",))
CHECKED = ("title", "done")


class Habits(NamedTuple):
    """What kind of server it is."""

    guards: bool = True
    """It has versions and keeps to ``If-Match`` and ``If-None-Match``."""
    versions: bool = True
    dedupes: bool = True
    replays: bool = True
    """The answer to a duplicate is the first answer, word for word; else it tells the row as it is now."""
    tells_row: bool = True
    trims: bool = False
    """It changes what it is sent, and sets a column itself."""
    incremental: bool = True
    """A pull tells what has changed since the last one; else everything."""


def clean(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


class Server:
    def __init__(self, habits: Habits) -> None:
        self.habits = habits
        self.row: dict[str, Any] | None = None
        self.at = 0
        self.landed: set[Any] = set()
        self.applied: dict[str, int] = {}
        self.pushed: list[Any] = []
        """Values that pushes wrote, since the row was there."""
        self.replies: dict[str, Answer] = {}
        self.watch: Callable[[Row | None, Row | None], None] = lambda _old, _new: None

    def version(self) -> str | None:
        return f"v{self.at}" if self.habits.versions else None

    def now(self) -> RemoteRow:
        return RemoteRow(str(KEY), None if self.row is None else dict(self.row), self.version())

    def put(self, row: Row | None) -> None:
        self.at += 1
        self.row = None if row is None else dict(row)
        if row is None:
            self.pushed.clear()
        elif self.habits.trims:
            self.row = {name: clean(value) for name, value in row.items()} | {"revision": self.at}
        if self.row is not None:
            self.landed.update(clean(self.row[name]) for name in CHECKED)

    def receive(self, change: Change) -> Answer:
        assert change.mutation_id is not None
        habits = self.habits
        if habits.dedupes and change.mutation_id in self.replies:
            return self.replies[change.mutation_id] if habits.replays else self._took()
        if habits.guards and self._is_stale(change):
            return Met(self.now())
        if self.row is None and change.op == "update":
            return Met(self.now())
        if not (self.row is None and change.op == "delete"):
            self._apply(change)
        answer = self._took()
        self.replies[change.mutation_id] = answer
        return answer

    def _is_stale(self, change: Change) -> bool:
        if change.op == "insert":
            return self.row is not None
        if change.op == "delete" and self.row is None:
            return False
        return self.row is None or change.base_version != self.version()

    def _apply(self, change: Change) -> None:
        assert change.mutation_id is not None
        self.applied[change.mutation_id] = self.applied.get(change.mutation_id, 0) + 1
        new = None if change.op == "delete" else {**(self.row or {}), **change.data}
        self.watch(self.row, new)
        before = self.row or {}
        self.put(new)
        if self.row is not None:
            self.pushed += [clean(self.row[n]) for n in CHECKED if before.get(n) != self.row[n]]

    def _took(self) -> Took:
        row = dict(self.row) if self.row is not None and self.habits.tells_row else None
        return Took(row, self.version() if self.row is not None else None)


class Replica:
    def __init__(self, server: Server, policy: Policy) -> None:
        self.server, self.policy = server, policy
        self.standing = Standing(KEY, None, None)
        self.clock = 0
        self.seq = 0
        self.cursor = 0
        self.born: dict[Any, int] = {}
        """Tokens of edits made here, with their time."""
        self.seen: dict[Any, int] = {}
        """Tokens that the remote told."""
        self.deleted_at = 0
        self.on_the_way: list[Change] = []
        """Requests that were given up here, and may arrive yet."""
        server.watch = self._pushes

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    # ── edits ──────────────────────────────────────────────────────────────────────────────────
    def edit(self, column: str) -> None:
        now = self.tick()
        row = self.standing.row
        if row is None:
            row = {"id": KEY, "title": f" here {now}", "done": now, "at": now}
            if self.server.habits.trims:
                row["revision"] = None
            self.born.update({clean(row["title"]): now, now: now})
        else:
            token = f" here {now}" if column == "title" else now
            row = {**row, column: token, "at": now}
            self.born[clean(token)] = now
        self.standing = self.standing._replace(row=row)

    def delete(self) -> None:
        self.deleted_at = self.tick()
        self.standing = self.standing._replace(row=None)

    def edit_there(self, column: str) -> None:
        now = self.tick()
        old = self.server.row
        if old is None:
            self.server.put({"id": KEY, "title": f"there {now}", "done": -now, "at": now, **self._revision()})
        else:
            self.server.put({**old, column: f"there {now}" if column == "title" else -now, "at": now})

    def _revision(self) -> dict[str, Any]:
        return {"revision": None} if self.server.habits.trims else {}

    def delete_there(self) -> None:
        self.tick()
        if self.server.row is not None:
            self.server.put(None)

    # ── the cycle ──────────────────────────────────────────────────────────────────────────────
    def fold(self) -> None:
        self.carry_out(fold(self.standing, self.tick()))

    def push(self, fate: str, meanwhile: Callable[[], None] = lambda: None) -> bool:
        """True where something was sent, or tried to be."""
        resend = self.standing.sent is not None
        self.carry_out(seal(self.standing, f"m{self.tick()}", self.clock))
        sent = self.standing.sent
        if sent is None or sent.status == "failed":
            return False
        if fate == "crash":
            return True
        answer = self._answer(sent, fate, resend)
        meanwhile()
        before = self.standing
        self.carry_out(settle(before, answer, self.policy, self.tick(), LIMITS))
        habits = self.server.habits
        if isinstance(answer, Took) and habits.guards and (habits.replays or not habits.dedupes):
            self._kept_what_was_edited_meanwhile(before, sent)
        return True

    def _kept_what_was_edited_meanwhile(self, before: Standing, sent: Change) -> None:
        """P5, whatever the policy: what the server made of an older edit is no conflict with a newer one."""
        version = before.shadow.version if before.shadow is not None else None
        if before.conflict is not None or version != sent.base_version:
            return
        if before.row is None:
            assert self.standing.row is None
            return
        for name in CHECKED:
            if not same(before.row[name], sent.data.get(name, before.row[name])):
                assert self.standing.row is not None
                assert same(self.standing.row[name], before.row[name])

    def _answer(self, sent: Change, fate: str, resend: bool) -> Answer:
        never = None if resend else False
        match fate:
            case "well":
                return self.server.receive(sent)
            case "reply lost":
                self.server.receive(sent)
                return Waiting()
            case "request lost":
                self.on_the_way.append(sent)
                return Waiting()
            case "not sent":
                return Waiting(never)
            case "busy":
                return Failing("503 before", self.clock, never)
            case "applied and failed":
                self.server.receive(sent)
                return Failing("500 after", self.clock)
            case _:
                # A server that has applied a change says so, and does not reject its resend.
                known = sent.mutation_id in self.server.applied
                return self.server.receive(sent) if known or resend else Refused("422", "{}")

    def arrive_late(self) -> None:
        """A request that was given up arrives, and nobody hears the reply."""
        if self.on_the_way:
            self.server.receive(self.on_the_way.pop(0))

    def pull(self) -> bool:
        """True where the server told anything."""
        if self.server.habits.incremental and self.cursor == self.server.at:
            return False
        effect = receive(self.standing, self.server.now(), self.policy, self.tick(), LIMITS)
        self.carry_out(effect)
        self.cursor = self.server.at
        return any(part is not KEEP for part in effect[1:6])

    # ── a person ───────────────────────────────────────────────────────────────────────────────
    def resolve(self, choice: Any) -> None:
        if self.standing.conflict is not None:
            self.choose(resolve(self.standing, choice, self.tick(), LIMITS))

    def retry(self) -> None:
        if self._has_letter():
            self.carry_out(retry(self.standing, self.tick()))

    def revert(self) -> None:
        if self._has_letter():
            self.choose(revert(self.standing, self.tick()))

    def _has_letter(self) -> bool:
        changes = (self.standing.sent, self.standing.pending)
        return any(one is not None and one.status == "failed" for one in changes)

    def choose(self, effect: Effect) -> None:
        """Carries out what its user has decided, knowing all that the remote told: as an edit made now."""
        row = carried_out(self.standing, effect).row
        now = self.tick()
        if row is None:
            self.deleted_at = now
        else:
            self.born.update({clean(row[name]): now for name in CHECKED if clean(row[name]) in self.born})
        self.carry_out(effect, chosen=True)

    # ── what must hold at each step ────────────────────────────────────────────────────────────
    def carry_out(self, effect: Effect, *, chosen: bool = False) -> None:
        before = self.standing
        after = carried_out(before, effect)
        if not chosen:
            self._loses_nothing(before, after)
        after = after._replace(sent=self._stored(after.sent), pending=self._stored(after.pending))
        self.standing = after
        if after.shadow is not None:
            for name in CHECKED:
                self.seen.setdefault(clean(after.shadow.row[name]), self.clock)
        self._is_sound(after)

    def _stored(self, change: Change | None) -> Change | None:
        if change is None or change.seq:
            return change
        self.seq += 1
        return msgspec.structs.replace(change, seq=self.seq)

    def _is_sound(self, standing: Standing) -> None:
        """The queue says what the row is; its key is the old one; a conflict holds what it is about."""
        found = difference(standing.row, basis(standing))
        pending, sent = standing.pending, standing.sent
        assert (pending is None) == (found is None)
        if pending is not None and found is not None:
            assert (pending.op, same_row(pending.data, found[1])) == (found[0], True)
            assert pending.mutation_id is None
            assert (pending.hold == "conflict") == (standing.conflict is not None)
        if sent is not None:
            assert sent.mutation_id is not None
            assert pending is None or pending.seq != sent.seq
        assert standing.row is None or standing.row["id"] == KEY
        if standing.conflict is not None:
            assert same_row(standing.conflict.mine, standing.row)

    def _loses_nothing(self, before: Standing, after: Standing) -> None:
        """An edit goes from the row only if the server had it, or the policy gives way to the server."""
        if before.row is None:
            return
        for name in CHECKED:
            token = clean(before.row[name])
            if token not in self.born or token in self.server.landed:
                continue
            if after.row is None:
                assert gives_way(self.policy, None, "server"), f"{token!r} was deleted unseen"
            elif clean(after.row[name]) != token:
                assert gives_way(self.policy, name, "server"), f"{token!r} was overwritten unseen"

    def _pushes(self, old: Row | None, new: Row | None) -> None:
        """Nothing that a push overwrites was unknown here, unless the policy gives way to the client."""
        habits = self.server.habits
        if not habits.guards or old is None or (habits.dedupes and not habits.replays):
            # Without conditions the last word counts. And where the answer to a duplicate tells the row as it
            # is now, an edit made there cannot be told from what the server made of ours.
            return
        for name in CHECKED:
            theirs = clean(old[name])
            if theirs in self.born:
                continue
            if new is None:
                known = self.seen.get(theirs, self.clock + 1) < self.deleted_at
                assert known or gives_way(self.policy, None, "client"), f"{theirs!r} was deleted unseen there"
            elif (mine := clean(new[name])) != theirs and mine in self.born:
                known = self.seen.get(theirs, self.clock + 1) < self.born[mine]
                assert known or gives_way(self.policy, name, "client"), f"{theirs!r} was overwritten unseen"

    # ── the end ────────────────────────────────────────────────────────────────────────────────
    def drain(self, choice: Any) -> None:
        """Everybody is quiet and everything works: sends and pulls until nothing is left to say."""
        for _ in range(30):
            self.fold()
            self.resolve(choice)
            self.retry()
            sent = self.push("well")
            told = self.pull()
            quiet = self.standing.pending is None and self.standing.sent is None
            if quiet and not sent and not told and self.standing.conflict is None:
                return
        raise AssertionError(f"it does not come to rest: {self.standing}, {self.server.row}")


def gives_way(policy: Policy, column: str | None, to: str) -> bool:
    """True where the policy may let that side win; of a deletion against an edit where ``column`` is None."""
    if isinstance(policy, PerField) and column is not None:
        policy = policy.fields.get(column, policy.default)
    if isinstance(policy, PerField | Latest):
        return column is not None and isinstance(policy, Latest)
    return callable(policy) or policy == to
