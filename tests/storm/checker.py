"""Judges a history: what was lost, what was never asked for, what happened twice without a cause.

Every rule reads outside evidence alone. A rule that needs an excuse (a second run, a spent attempt, a
failed job) accepts only a recorded kill or freeze that hit the very processes concerned, in the very span.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

from tests.storm.history import FINAL, Change, Effect, History, JobRow, Kill, Run

CHILD = "/child"
"""Ends the uid of a job that a ``family`` handler enqueued inside its own transaction."""
DYING_NS = 100_000_000
"""A process may finish a line it had begun, and takes a moment to be gone, after the kill returned."""
CLOCK_NS = 5_000_000
"""The trigger's clock has milliseconds, and stands still within a statement."""
CRASHES_TO_FAIL = 3
UNSEALED_NS = 3_000_000_000
"""A database that crashes may lose the settlements of about its last second, whose jobs then run again."""


@dataclass(frozen=True)
class Violation:
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


@dataclass
class Verdict:
    """What the checker found, and the figures of the run."""

    violations: list[Violation] = field(default_factory=list[Violation])
    figures: dict[str, float] = field(default_factory=dict[str, float])

    def kinds(self) -> Counter[str]:
        return Counter(violation.kind for violation in self.violations)


KINDS = (
    "lost",
    "unexpected",
    "double completion",
    "unexplained duplicate",
    "two live fences",
    "attempts not monotonic",
    "several terminal statuses",
    "torn transaction",
    "unexplained failure",
    "attempt spent without a cause",
    "database damaged",
)
"""Everything that can be wrong with a history."""


class Checker:
    """Runs every rule over one history."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._verdict = Verdict()
        self._rows: dict[str, list[JobRow]] = defaultdict(list)
        for row in history.jobs:
            self._rows[row.uid].append(row)
        self._runs: dict[int, list[Run]] = defaultdict(list)
        for run in history.runs:
            self._runs[run.job_id].append(run)
        self._changes: dict[int, list[Change]] = defaultdict(list)
        for change in history.changes:
            self._changes[change.job_id].append(change)
        self._kills: dict[int, list[Kill]] = defaultdict(list)
        self._shocks = [kill for kill in history.kills if kill.is_shock]
        for kill in history.kills:
            for pid in kill.pids:
                self._kills[pid].append(kill)
        self._effects: dict[str, list[Effect]] = defaultdict(list)
        for effect in history.effects:
            self._effects[effect.uid].append(effect)

    def check(self) -> Verdict:
        if self._history.integrity != "ok":
            self._fault("database damaged", self._history.integrity)
        self._nothing_is_lost()
        self._nothing_is_unexpected()
        self._transactions_are_whole()
        for row in self._history.jobs:
            self._its_end_is_earned(row)
            self._its_attempts_are_caused(row)
        for job_id, changes in self._changes.items():
            self._one_fence_and_one_end(job_id, changes)
        duplicates, rescues = 0, list[int]()
        for job_id, runs in self._runs.items():
            for before, after in pairwise(runs):
                cause = self._cause_of_next_run(job_id, before, after)
                if cause is not None:
                    duplicates += 1
                    if not cause.is_freeze:
                        rescues.append(after.start - cause.begin)
        self._figures(duplicates, rescues)
        return self._verdict

    # ── what must exist, and what must not ───────────────────────────────────────────────────────
    def _nothing_is_lost(self) -> None:
        expected = dict.fromkeys(self._history.acks)
        for uid, attempt in self._history.tries.items():
            if attempt.plan == "family" and uid in self._effects:
                expected[uid + CHILD] = None
        for uid in expected:
            if uid not in self._rows:
                self._fault("lost", f"{uid} was acknowledged and is not in the database")
        for row in self._history.jobs:
            if row.status not in FINAL:
                self._fault("lost", f"{row.uid} (job {row.id}) was still {row.status} after the drain")

    def _nothing_is_unexpected(self) -> None:
        for uid, rows in self._rows.items():
            if len(rows) > 1:
                ids = [row.id for row in rows]
                self._fault("unexpected", f"{uid} was enqueued once and became jobs {ids}")
            if uid.endswith(CHILD):
                if uid.removesuffix(CHILD) not in self._effects:
                    self._fault("unexpected", f"{uid} exists though its parent's transaction did not commit")
            elif uid not in self._history.tries:
                self._fault("unexpected", f"{uid} exists and nobody enqueued it")
            elif uid in self._history.absent and uid not in self._history.acks:
                self._fault("unexpected", f"{uid} exists after a {self._history.absent[uid]}")
        for uid, ids in self._history.acks.items():
            known = {row.id for row in self._rows.get(uid, [])}
            for job_id in ids:
                if known and job_id is not None and job_id not in known:
                    self._fault(
                        "unexpected", f"{uid} was acknowledged as job {job_id}, and is {sorted(known)}"
                    )
        existing = {row.id for row in self._history.jobs}
        for job_id, runs in self._runs.items():
            if job_id not in existing:
                self._fault("unexpected", f"{runs[0].uid} ran as job {job_id}, which is not in the database")

    def _transactions_are_whole(self) -> None:
        batches: dict[str, list[str]] = defaultdict(list)
        for uid, attempt in self._history.tries.items():
            if attempt.batch is not None:
                batches[attempt.batch].append(uid)
            if attempt.kind == "transaction" and (uid in self._rows) != (uid in self._history.orders):
                which = "the job" if uid in self._rows else "the order"
                self._fault("torn transaction", f"of {uid} only {which} was committed")
        for batch, uids in batches.items():
            present = sum(uid in self._rows for uid in uids)
            if present not in (0, len(uids)):
                self._fault("torn transaction", f"batch {batch} has {present} of its {len(uids)} jobs")

    # ── how a job may end ────────────────────────────────────────────────────────────────────────
    def _its_end_is_earned(self, row: JobRow) -> None:
        attempt = self._history.tries.get(row.uid)
        plan = attempt.plan if attempt is not None else "ok"
        transactional = plan in ("tx", "family")
        effects = len(self._effects.get(row.uid, []))
        if effects > 1:
            self._fault("double completion", f"{row.uid} (job {row.id}) committed its effect {effects} times")
        if transactional and bool(effects) != (row.status == "COMPLETED"):
            self._fault(
                "torn transaction", f"{row.uid} (job {row.id}) is {row.status} with {effects} effects"
            )
        ends = {run.how for run in self._runs.get(row.id, [])}
        match row.status:
            case "COMPLETED" if plan == "fail":
                self._fault(
                    "unexpected", f"{row.uid} (job {row.id}) is COMPLETED and its handler always fails"
                )
            case "COMPLETED" if not transactional and "ok" not in ends:
                self._fault("lost", f"{row.uid} (job {row.id}) is COMPLETED and no run of it came to its end")
            case "FAILED" if not (plan == "fail" and "fail" in ends):
                crashes = self._crashes(row)
                if crashes < min(CRASHES_TO_FAIL, row.max_attempts):
                    self._fault(
                        "unexplained failure",
                        f"{row.uid} (job {row.id}) FAILED after {crashes} kills: {row.last_error}",
                    )
            case "CANCELLED":
                self._fault("unexpected", f"{row.uid} (job {row.id}) is CANCELLED and nobody asked")
            case _:
                return

    def _its_attempts_are_caused(self, row: JobRow) -> None:
        if row.status not in FINAL:
            return
        told = {run.attempt for run in self._runs.get(row.id, [])} | self._silent(row.id)
        for number in range(1, row.attempts + 1):
            if number not in told:
                self._fault(
                    "attempt spent without a cause",
                    f"{row.uid} (job {row.id}) counts attempt {number}, and nothing ran or was killed",
                )

    def _crashes(self, row: JobRow) -> int:
        """Attempts cut off by a kill of their own process."""
        runs = self._runs.get(row.id, [])
        return len(
            {run.attempt for run in runs if self._cause(run, own=True) is not None} | self._silent(row.id)
        )

    def _silent(self, job_id: int) -> set[int]:
        """Attempts that wrote no line and saw a kill: it came between the start and the first line."""
        told = {run.attempt for run in self._runs.get(job_id, [])}
        silent: set[int] = set()
        changes = self._changes.get(job_id, [])
        for claim, release in pairwise(changes):
            if claim.new_status != "RUNNING" or claim.attempts in told or release.attempts < claim.attempts:
                continue
            if any(
                claim.at - DYING_NS <= kill.begin <= release.at + CLOCK_NS
                for kill in self._history.kills
                if kill.kind != "freeze"
            ):
                silent.add(claim.attempts)
        return silent

    # ── how a job may change ─────────────────────────────────────────────────────────────────────
    def _one_fence_and_one_end(self, job_id: int, changes: list[Change]) -> None:
        completions = sum(change.new_status == "COMPLETED" for change in changes)
        if completions > 1:
            self._fault("double completion", f"job {job_id} was completed {completions} times")
        claimed = 0
        tokens: set[int] = set()
        for change in changes:
            moved = f"job {job_id} went from {change.old_status} to {change.new_status}"
            if change.old_status in FINAL:
                self._fault("several terminal statuses", moved)
            if change.old_status == "PENDING" and change.new_status == "COMPLETED":
                self._fault("two live fences", f"{moved}: an older attempt settled it")
            if change.old_status == "RUNNING" and change.new_status == "PENDING":
                claimed = min(claimed, change.attempts)
            if change.new_status == "RUNNING":
                if change.old_status == "RUNNING" and change.new_token != change.old_token:
                    self._fault("two live fences", f"job {job_id} was claimed while another token held it")
                if change.old_status != "RUNNING":
                    if change.new_token is None or change.new_token in tokens:
                        self._fault(
                            "two live fences", f"job {job_id} got token {change.new_token} twice or none"
                        )
                    else:
                        tokens.add(change.new_token)
                    # An attempt that was given back is counted again; a spent one is followed by the next.
                    if change.attempts != claimed + 1:
                        self._fault(
                            "attempts not monotonic",
                            f"job {job_id} was claimed for attempt {change.attempts} after {claimed}",
                        )
                    claimed = change.attempts
            if change.new_status == "COMPLETED":
                self._current_run_had_ended(job_id, change)

    def _current_run_had_ended(self, job_id: int, completion: Change) -> None:
        """The attempt that completed a job is the latest that began, and it had come to its end."""
        runs = self._runs.get(job_id, [])
        for run in runs:
            wrote = any(
                effect.pid == run.pid and effect.attempt == run.attempt
                for effect in self._effects.get(run.uid, [])
            )
            ended = run.how == "ok" and run.end is not None and run.end <= completion.at + CLOCK_NS
            if (wrote or ended) and not any(
                run.start < other.start < completion.at - CLOCK_NS for other in runs
            ):
                return
        if runs:
            self._fault(
                "two live fences",
                f"{runs[0].uid} (job {job_id}) was completed while its latest run had not come to its end:"
                " an older attempt settled it",
            )

    # ── why a job may run again ──────────────────────────────────────────────────────────────────
    def _cause_of_next_run(self, job_id: int, before: Run, after: Run) -> Kill | None:
        """What made a job run again; None where its handler had asked for it, or nothing explains it."""
        what = f"{after.uid} (job {job_id}) started attempt {after.attempt} in {after.pid}"
        if after.attempt < before.attempt and self._thaw(before, after) is None:
            self._fault("attempts not monotonic", f"{what} after attempt {before.attempt}")
        if before.how == "retry" and after.attempt > before.attempt:
            return None
        cause = self._cause(before, until=after.start) or self._thaw(before, after)
        if cause is not None:
            return cause
        if before.end is None or before.end > after.start:
            self._fault("two live fences", f"{what} while attempt {before.attempt} ran in {before.pid}")
        else:
            self._fault(
                "unexplained duplicate", f"{what}, though attempt {before.attempt} ended {before.how!r}"
            )
        return None

    def _thaw(self, before: Run, after: Run) -> Kill | None:
        """The freeze from which a dispatcher woke with a job in hand that had run elsewhere meanwhile."""
        for freeze in self._kills_among({after.pid, *after.above}):
            if freeze.is_freeze and freeze.begin < after.start and before.start < freeze.end + DYING_NS:
                return freeze
        return None

    def _cause(self, run: Run, *, until: int | None = None, own: bool = False) -> Kill | None:
        """The kill or freeze that hit the run's process (or, unless ``own``, those above it) in its time."""
        pids = {run.pid} if own else {run.pid, *run.above}
        for kill in self._kills_among(pids):
            if kill.end + DYING_NS < run.start or (until is not None and kill.begin > until):
                continue
            if own and (kill.is_freeze or (run.end is not None and run.end < kill.begin)):
                continue
            if kill.is_shock and run.end is not None and run.end + UNSEALED_NS < kill.begin:
                continue
            return kill
        return None

    def _kills_among(self, pids: set[int]) -> list[Kill]:
        found = [*self._shocks, *(kill for pid in pids for kill in self._kills.get(pid, []))]
        return sorted(found, key=lambda kill: kill.begin)

    # ── figures ──────────────────────────────────────────────────────────────────────────────────
    def _figures(self, duplicates: int, rescues: list[int]) -> None:
        history = self._history
        meant = {uid for uid, attempt in history.tries.items() if attempt.plan == "fail"}
        failed = [row.uid in meant for row in history.jobs if row.status == "FAILED"]
        unknown = [uid for uid in history.tries if uid not in history.acks and uid not in history.absent]
        rescues.sort()
        self._verdict.figures = {
            "acknowledged": len(history.acks),
            "unknown outcomes": len(unknown),
            "jobs": len(history.jobs),
            "runs": len(history.runs),
            "completed": sum(row.status == "COMPLETED" for row in history.jobs),
            "failed on purpose": sum(failed),
            "failed by three crashes": len(failed) - sum(failed),
            "duplicates explained": duplicates,
            "rescue p50 ms": _quantile(rescues, 0.5),
            "rescue p99 ms": _quantile(rescues, 0.99),
            "rescue max ms": _quantile(rescues, 1.0),
        }

    def _fault(self, kind: str, text: str) -> None:
        self._verdict.violations.append(Violation(kind, text))


def _quantile(spans: list[int], share: float) -> float:
    return round(spans[min(int(len(spans) * share), len(spans) - 1)] / 1e6, 1) if spans else 0.0


def check(history: History) -> Verdict:
    """Every rule over one history."""
    return Checker(history).check()
