"""The show: pull, cut the network, edit here and there, reconnect, put right what needs a person, compare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import msgspec
from rich.console import RenderableType

from windlass.clock import SystemClock, from_us, monotonic, sleep
from windlass.demo.sync.host import Host
from windlass.demo.sync.replica import Replica, Standing
from windlass.demo.sync.scene import Scene, Side, SyncStage
from windlass.demo.sync.tables import Tables
from windlass.demo.sync.tale import Edit
from windlass.demo.sync.verdict import Verdict, judge
from windlass.demo.victims import still_runs
from windlass.sync.status import Status
from windlass.sync.views import DeadLetter, OpenConflict

_LOOK_S = 0.1
_STALLED_S = 60.0


class Views(NamedTuple):
    """How the command line prints what the show has to show."""

    statuses: Callable[[Sequence[Status]], RenderableType]
    conflicts: Callable[[Sequence[OpenConflict]], RenderableType]
    dead: Callable[[Sequence[DeadLetter]], RenderableType]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What ``windlass demo sync --json`` prints."""

    source: str
    seconds: float
    pulled: int
    """Rows of the first pull, both replicas together."""
    rows_per_second: float
    """Of the first pull, the server's moods included."""
    edited: int
    """Rows that were edited while the network was away."""
    conflicts: int
    """Those that waited for a person."""
    rejected: int
    """Changes that the server did not take at first."""
    left_running: list[int]
    """Processes of the demo that are still there: none, if all went well."""
    verdict: Verdict

    @property
    def holds(self) -> bool:
        """All was as it should be."""
        return self.verdict.holds and not self.left_running


class Show:
    """One run of the demo, seen on a stage."""

    def __init__(
        self, tables: Tables, folder: Path, stage: SyncStage, views: Views, *, limit: int | None = None
    ) -> None:
        self._tables = tables
        self._folder = folder
        self._stage = stage
        self._views = views
        self._limit = limit
        self._pids: set[int] = set()
        self._told: set[object] = set()
        self._replayed = 0
        self._stalled: list[str] = []
        self._totals: dict[str, int] = {}
        self._begun = monotonic()

    def run(self) -> Report:
        """The whole of it; whatever happens, all its processes are ended."""
        with ExitStack() as stack:
            # The last thing to be closed, so that an error is not told behind what is drawn.
            stack.callback(self._stage.close)
            self._open(stack)
            pulled, pull_s = self._pull_first()
            edited = self._edit_offline()
            self._reconnect()
            conflicts, rejected = self._put_right()
            self._settle()
            waiting = {one.name: _waiting(Standing(one.statuses())) for one in self._both}
            self._stop()
            verdict = judge(
                self._host.documents(),
                {one.name: one.rows() for one in self._both},
                waiting,
                self._tables.tale,
                self._host.tally(),
            )
        if self._stalled:
            verdict = msgspec.structs.replace(verdict, complaints=[*self._stalled, *verdict.complaints])
        return Report(
            source=self._tables.title,
            seconds=round(monotonic() - self._begun, 2),
            pulled=pulled,
            rows_per_second=round(pulled / pull_s),
            edited=edited,
            conflicts=conflicts,
            rejected=rejected,
            left_running=still_runs(self._pids),
            verdict=verdict,
        )

    # ── the acts ───────────────────────────────────────────────────────────────────────────────
    def _open(self, stack: ExitStack) -> None:
        stage, collections = self._stage, self._tables.collections
        stage.chapter(
            "A server, and two replicas",
            f"The rows are real: {self._tables.title}. The server, a process of its own, stumbles every so "
            "often: it answers 500, wants to be left alone, or does its work and hangs up without a word.",
        )
        self._host = stack.enter_context(Host(self._limit))
        self._total = sum(self._host.rows.values())
        self._pids.add(self._host.pid)
        told = ", ".join(f"{count:,} {name}" for name, count in self._host.rows.items())
        stage.tell(f"server {self._host.pid} at {self._host.url} has {told}", "good")
        self._both: list[Replica] = []
        for name in ("ann", "ben"):
            one = Replica(name, self._folder, self._host.url, collections)
            stack.callback(one.close)
            self._both.append(one)
            one.start()
            self._pids |= one.pids()
            stage.tell(
                f"{name}: a database with {len(collections)} empty tables, service {_pids(one)}", "good"
            )
        self._ann, self._ben = self._both

    def _pull_first(self) -> tuple[int, float]:
        self._stage.chapter(
            "First pull",
            "Page after page: the rows of each and its place in the list are one commit, so what goes wrong "
            "costs that page alone.",
        )
        begun = monotonic()
        self._wait("the first pull", self._is_pulled, self._pull_sides)
        pulled, took_s = sum(one.count() for one in self._both), monotonic() - begun
        self._stage.tell(f"{pulled:,} rows are here, in {took_s:.1f} s", "good")
        return pulled, took_s

    def _edit_offline(self) -> int:
        self._stage.chapter(
            "Cut the network",
            "Both programs go on: they write their own tables by plain SQL, and triggers note in the same "
            "commit what was changed. Somebody else edits at the server meanwhile.",
        )
        for one in self._both:
            one.wire.down()
        self._stage.tell("the network is cut", "strike")
        edited = self._edit(self._ann, self._tables.tale.ann) + self._edit(self._ben, self._tables.tale.ben)
        self._host.edit_elsewhere()
        self._wait("both to notice", lambda: all(_is_offline(one) for one in self._both), self._drain_sides)
        self._show_statuses()
        return edited

    def _edit(self, replica: Replica, edits: Sequence[Edit]) -> int:
        written = 0
        for edit in edits:
            before = Standing(replica.statuses())
            replica.run(edit.sql)
            count = Standing(replica.statuses()).waiting - before.waiting
            written += count
            self._stage.tell(f"{replica.name}> {edit.sql}")
            self._stage.tell(f"{edit.why}: {count:,} {'row' if count == 1 else 'rows'}", "aside")
        return written

    def _reconnect(self) -> None:
        self._stage.chapter(
            "Reconnect",
            "Each edit goes up with the version that it was made on, and with a key that stays the same when "
            "it is sent again: the server refuses what is stale, and does nothing twice.",
        )
        self._totals = {one.name: Standing(one.statuses()).waiting for one in self._both}
        for one in self._both:
            one.wire.up()
            one.app.sync.now()
            self._stage.tell(f"{one.name} is on the network again", "good")
            self._wait(
                f"{one.name}'s edits to be sent",
                lambda one=one: Standing(one.statuses()).is_drained,
                self._drain_sides,
            )
            standing, total = Standing(one.statuses()), self._totals[one.name]
            sent = total - standing.waiting - standing.failed
            said = f"{sent:,} of {total:,} changes of {one.name}'s are at the server"
            self._stage.tell(said + _rest(standing), "good")

    def _put_right(self) -> tuple[int, int]:
        tale, stage = self._tables.tale, self._stage
        stage.chapter(
            "What needs a person",
            "Edits of different columns were merged. One column was edited on both sides, and one edit was "
            "rejected: both stay as they are, and hold up nothing else, until someone decides.",
        )
        conflicts, dead = self._ben.app.sync.conflicts(), self._ann.app.sync.dead()
        stage.tell("windlass sync conflicts, at ben's:")
        stage.show(self._views.conflicts(conflicts))
        if any(one.key == tale.asked for one in conflicts):
            self._ben.app.sync[tale.table].resolve(tale.asked, {"note": tale.resolved})
            stage.tell(f"ben writes what both meant: “{tale.resolved}”", "good")
        stage.tell("windlass sync dead, at ann's:")
        stage.show(self._views.dead(dead))
        if any(one.key == tale.rejected for one in dead):
            self._ann.app.sync[tale.table].edit(tale.rejected, note=tale.shorten)
            stage.tell(f"ann shortens it: “{tale.shorten}”", "good")
        return len(conflicts), len(dead)

    def _settle(self) -> None:
        def quiet() -> bool:
            return all(Standing(one.statuses()).is_quiet for one in self._both)

        self._wait("all to be sent", quiet, self._drain_sides)
        # What the other has sent last comes with a pull that begins after that.
        moment = from_us(SystemClock().wall_us())
        for one in self._both:
            one.app.sync.now()

        def is_new(one: Replica) -> bool:
            standing = Standing(one.statuses())
            return standing.is_quiet and standing.pulled_since(moment)

        self._wait("the last pull", lambda: all(is_new(one) for one in self._both), self._drain_sides)
        if not self._stalled:
            self._stage.tell("nothing is pending, nothing waits, and both have pulled", "good")

    def _stop(self) -> None:
        self._stage.close()
        self._stage.chapter("Compare", "Nothing told so far is believed: every row of both is compared.")
        for one in self._both:
            self._pids |= one.pids()
            one.app.service.stop()

    # ── looking and telling ────────────────────────────────────────────────────────────────────
    def _wait(self, what: str, done: Callable[[], bool], sides: Callable[[], tuple[Side, ...]]) -> None:
        deadline = monotonic() + _STALLED_S
        while not self._stalled:
            over = done()
            self._look(sides())
            if over:
                return
            if monotonic() > deadline:
                self._stalled.append(f"waited {_STALLED_S:g} s for {what}, in vain")
                self._stage.tell(self._stalled[-1], "bad")
                return
            sleep(_LOOK_S)

    def _look(self, sides: tuple[Side, ...]) -> None:
        tally = self._host.tally()
        for one in self._both:
            trouble = Standing(one.statuses()).trouble
            if trouble is not None and (fact := (one.name, trouble.since)) not in self._told:
                self._told.add(fact)
                self._stage.tell(f"{one.name}: {trouble.reason}{_again(trouble)}", "retry")
        if tally.replayed > self._replayed:
            again = tally.replayed - self._replayed
            self._replayed = tally.replayed
            self._stage.tell(
                f"{again} sent again after an answer that never came: the server knew the key, and did "
                "nothing twice",
                "retry",
            )
        scene = Scene(
            sides=sides, requests=tally.reads + tally.writes, moods=tally.moods, replayed=tally.replayed
        )
        self._stage.draw(scene)

    def _is_pulled(self) -> bool:
        return all(
            one.count() >= self._total and all(status.last_pull for status in one.statuses())
            for one in self._both
        )

    def _pull_sides(self) -> tuple[Side, ...]:
        return tuple(_side(one, one.count(), self._total, "rows") for one in self._both)

    def _drain_sides(self) -> tuple[Side, ...]:
        sides: list[Side] = []
        for one in self._both:
            waiting = Standing(one.statuses()).waiting
            total = max(self._totals.get(one.name, 0), waiting)
            sides.append(_side(one, total - waiting, total, "changes"))
        return tuple(sides)

    def _show_statuses(self) -> None:
        shown: list[Status] = []
        for one in self._both:
            statuses = one.statuses()
            trouble, waiting = Standing(statuses).trouble, Standing(statuses).waiting
            if trouble is not None and trouble.since is not None:
                since = f"offline since {trouble.since:%H:%M:%S} UTC"
                self._stage.tell(f"{one.name}: {since}, with {waiting:,} changes pending", "bad")
            shown += [
                msgspec.structs.replace(status, resource=f"{one.name}: {status.resource}")
                for status in statuses
                if status.pending
            ]
        self._stage.tell("windlass sync status, of the tables that were edited:")
        self._stage.show(self._views.statuses(shown))


def _side(one: Replica, done: int, total: int, what: str) -> Side:
    standing = Standing(one.statuses())
    return Side(
        name=one.name, activity=standing.activity, done=done, total=total, what=what,
        pending=standing.waiting, conflicts=standing.conflicts, failed=standing.failed,
    )  # fmt: skip


def _is_offline(one: Replica) -> bool:
    trouble = Standing(one.statuses()).trouble
    return trouble is not None and trouble.state == "offline"


def _again(trouble: Status) -> str:
    if trouble.until is None:
        return ""
    wait_s = (trouble.until - from_us(SystemClock().wall_us())).total_seconds()
    return f"; again in {max(wait_s, 0.0):.1f} s"


def _rest(standing: Standing) -> str:
    found: list[str] = []
    if standing.conflicts:
        found.append(f"{standing.conflicts} in conflict")
    if standing.failed:
        found.append(f"{standing.failed} rejected")
    return f"; {' and '.join(found)}" if found else ""


def _waiting(standing: Standing) -> list[str]:
    counts = {
        "pending changes": standing.waiting,
        "conflicts": standing.conflicts,
        "rejected changes": standing.failed,
        "rows in quarantine": standing.quarantined,
    }
    return [f"{count:,} {what}" for what, count in counts.items() if count]


def _pids(one: Replica) -> str:
    return ", ".join(map(str, sorted(one.pids())))
