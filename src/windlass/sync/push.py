"""Push: the journal becomes the queue, the heads of the queue are sealed and sent, the answers settled.

In this order, each step in a commit of its own, so that it can end anywhere:

1. *Fold* the journal: for each edited key, compare the row with what the remote will hold, and write down the
   difference.
2. *Seal* the oldest change of each key: mutation id and version are committed before anything is sent (P2).
3. *Send* the batch. Nothing is held but the resource.
4. *Settle* each change by its own verdict; whatever was edited meanwhile stays queued (P5).

Plain edits take a shorter way (``straight.py``): sealed from the journal in one commit, settled unseen. Of
plain updates (``plain.py``) the next batch is sealed while the remote answers the one before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import repeat
from uuid import uuid4

import msgspec

from windlass.change import KEEP, Change, Edits, Effect, Key, RemoteRow, Standing
from windlass.clock import monotonic
from windlass.errors import RemoteError
from windlass.store.ledger import Hold
from windlass.sync import operations
from windlass.sync.cycle import Cycle, Over
from windlass.sync.exchange import Later, meanwhile
from windlass.sync.judging import answer_of
from windlass.sync.plain import Plain, seal_plain, settle_plain
from windlass.sync.reconcile import (
    Answer,
    Met,
    Took,
    held,
    receive,
    seal,
    settle,
)
from windlass.sync.remote import (
    Faulty,
    Outgoing,
    Rejected,
    Undelivered,
    Verdict,
)
from windlass.sync.straight import Sealed, Sealing, seal_edits, settle_edits
from windlass.sync.twins import find_twins, join_twin
from windlass.sync.waiting import blocked, let_go

_FOLD = 500
_COUNT_S = 1.0
_TURNS = 20
"""So often one push sends one row: a remote that makes something else of it each time gets it no oftener."""


class Pushed(msgspec.Struct, kw_only=True):
    """What a push did."""

    sent: int = 0
    accepted: int = 0
    conflicts: int = 0
    rejected: list[tuple[Key, str]] = []
    """Keys, with the remote's reason, that a person must look at."""
    asked: list[tuple[Key, tuple[str, ...]]] = []
    """Keys, with the fields, for which a person is asked about a conflict."""
    over: list[Over] = []
    """What a person was told of and is over."""


class Push:
    """One push of one resource."""

    def __init__(
        self, cycle: Cycle, *, report: Callable[[int, int], None], stopping: Callable[[], bool]
    ) -> None:
        self._cycle = cycle
        self._report = report
        self._stopping = stopping
        self._limits = cycle.limits
        self._turns: Counter[Key] = Counter()
        self._count_at = monotonic() + _COUNT_S
        self._expected = 0
        self._next_plain: Plain | None = None
        """Sealed while another batch was under way, and not sent yet."""
        self.done = Pushed()

    def run(self, hold: Hold) -> Pushed:
        """Sends until nothing is left that may be sent now.

        Raises:
            RemoteError: the remote must be left alone for a while; what was under way is written down.
        """
        try:
            self._batches(hold)
        finally:
            # Nobody has seen it: it is edits of the journal again, and counts no attempt.
            unsent, self._next_plain = self._next_plain, None
            if unsent is not None:
                self._cycle.ledger.unseal_batch(hold, unsent.batch)
        return self.done

    def _batches(self, hold: Hold) -> None:
        while not self._stopping():
            sealing, self._next_plain = self._next_plain or self._sealing(hold), None
            if sealing is None:
                break
            if isinstance(sealing, Sealing) and not sealing.sealed:
                continue
            verdicts = self._exchange(hold, sealing)
            if Undelivered in set(map(type, verdicts)):
                raise next(one.error for one in verdicts if isinstance(one, Undelivered))
            self._cycle.origin.answered()
            self._tell_how_far()

    def _tell_how_far(self) -> None:
        # What is left is counted now and then: that takes longer the more there is.
        now = monotonic()
        if now >= self._count_at:
            self._count_at = now + _COUNT_S
            left = self._cycle.ledger.counts(self._cycle.name).pending
            self._expected = self.done.accepted + left
        if self._expected:
            self._report(self.done.accepted, max(self._expected, self.done.accepted))

    def _exchange(self, hold: Hold, sealing: Sealing | Plain) -> Sequence[Verdict]:
        """Sends what is sealed, and settles it by what the remote says."""
        if isinstance(sealing, Plain):
            self.done.sent += len(sealing.outgoing)
            ahead = Later(lambda: self._seal_next(hold, sealing))
            with meanwhile(ahead):
                verdicts = self._push(sealing.outgoing)
            left = settle_plain(self._cycle, hold, sealing, verdicts)
            self.done.accepted += len(verdicts) - len(left)
            if left:
                self._settle(hold, Sealing([one for one, _ in left]), [verdict for _, verdict in left])
            ahead.check()
        else:
            verdicts = self._send(sealing.sealed)
            self._settle(hold, sealing, verdicts)
        return verdicts

    def _seal_next(self, hold: Hold, under_way: Plain) -> None:
        """Seals the batch that is sent behind this one, if nothing but plain updates comes next."""
        cycle, behind = self._cycle, under_way.edits
        if len(behind.keys) < self._limit or self._stopping():
            return
        if not cycle.ledger.due(cycle.name, cycle.clock.wall_us(), 1):
            self._next_plain = self._seal_plain(hold, behind)

    def _seal_plain(self, hold: Hold, behind: Edits | None = None) -> Plain | None:
        plain = seal_plain(self._cycle, hold, self._limit, is_tired=self._are_tired, behind=behind)
        if plain is not None:
            self._turns.update(plain.edits.keys)
        return plain

    @property
    def _limit(self) -> int:
        return min(self._cycle.settings.batch, self._cycle.remote.batch)

    def _sealing(self, hold: Hold) -> Sealing | Plain | None:
        """What is sent next, sealed; None: there is nothing that may be sent now."""
        cycle = self._cycle
        let_go(cycle, hold)
        if not cycle.ledger.due(cycle.name, cycle.clock.wall_us(), 1):
            # Nothing is before them in the queue.
            plain = self._seal_plain(hold)
            if plain is not None:
                return plain
            sealing = seal_edits(cycle, hold, self._limit, is_tired=self._is_tired, over=self.done.over)
            if sealing is not None:
                self._turns.update(one.change.key for one in sealing.sealed)
            return sealing
        self._fold(hold)
        let_go(cycle, hold)
        changes = self._next(hold)
        return Sealing(self._seal(hold, changes)) if changes else None

    def _is_tired(self, key: Key) -> bool:
        return self._turns.get(key, 0) >= _TURNS

    def _are_tired(self, keys: Sequence[Key]) -> bool:
        """One of them is."""
        turns = self._turns
        return bool(turns) and max(map(turns.get, keys, repeat(0))) >= _TURNS

    # ── 1. fold ────────────────────────────────────────────────────────────────────────────────
    def _fold(self, hold: Hold) -> None:
        cycle = self._cycle
        while keys := cycle.ledger.journal(cycle.name, _FOLD):
            now_us = cycle.clock.wall_us()
            cycle.step(
                hold,
                keys,
                lambda standing, now_us=now_us: operations.folded(standing, now_us),
                over=self.done.over,
            )

    # ── 2. seal ────────────────────────────────────────────────────────────────────────────────
    def _next(self, hold: Hold) -> list[Change]:
        """The next batch, without what has to wait for other rows: that is put on hold."""
        cycle, limit = self._cycle, self._limit
        stuck: set[Key] = set()
        while changes := cycle.ledger.due(cycle.name, cycle.clock.wall_us(), limit + len(stuck)):
            changes = [one for one in changes if not self._is_tired(one.key) and one.key not in stuck]
            changes = changes[:limit]
            if orphaned := self._orphaned([one for one in changes if one.mutation_id is not None]):
                stuck |= orphaned
                continue
            if not changes:
                break
            waiting = blocked(cycle, [change for change in changes if change.mutation_id is None])
            if not waiting:
                return changes
            now_us = cycle.clock.wall_us()
            cycle.step(
                hold,
                list(waiting),
                lambda one, waiting=waiting, now_us=now_us: held(one, waiting[one.key], now_us),
            )
            if free := [change for change in changes if change.key not in waiting]:
                return free
        return []

    def _orphaned(self, sealed: Sequence[Change]) -> set[Key]:
        """Those that were sealed while their parent had an id there, which is on its way to another row."""
        waiting = blocked(self._cycle, sealed, deletes=False)
        return {key for key, why in waiting.items() if ":missing:" not in why}

    def _seal(self, hold: Hold, changes: Sequence[Change]) -> list[Sealed]:
        cycle = self._cycle
        heads = {change.key: change for change in changes}
        self._turns.update(heads.keys())
        now_us = cycle.clock.wall_us()
        standings: dict[Key, Standing] = {}

        def work(standing: Standing) -> Effect | None:
            head = heads[standing.key]
            standings[standing.key] = standing
            if head.captured:
                return seal(standing, uuid4().hex, now_us)
            version = standing.shadow.version if standing.shadow else None
            return Effect(standing.key, explicit=(operations.sealed(head, uuid4().hex, version),))

        refused: list[Key | None] = []
        effects = cycle.step(hold, list(heads), work, refused=refused)
        written = {effect.key: effect for effect in effects if effect.key not in refused}
        found: list[Sealed] = []
        for key, standing in standings.items():
            head, effect = heads[key], written.get(key)
            if effect is None:
                continue
            change = effect.sent if head.captured else effect.explicit[0]
            if isinstance(change, Change):
                resend = (standing.sent if head.captured else head.mutation_id) is not None
                found.append(Sealed(standing, change, resend))
        return found

    # ── 3. send ────────────────────────────────────────────────────────────────────────────────
    def _send(self, sealed: Sequence[Sealed]) -> list[Verdict]:
        remote = self._cycle.remote
        verdicts: list[Verdict | None] = [None] * len(sealed)
        fresh: list[tuple[int, Outgoing]] = []
        for place, one in enumerate(sealed):
            outgoing = self._outgoing(one)
            if isinstance(outgoing, Rejected):
                verdicts[place] = outgoing
                continue
            if one.resend and not remote.dedupes:
                verdicts[place] = _guarded(remote.probe, outgoing)
            if verdicts[place] is None:
                fresh.append((place, outgoing))
        if fresh:
            self.done.sent += len(fresh)
            for (place, _), verdict in zip(fresh, self._push([one for _, one in fresh]), strict=True):
                verdicts[place] = verdict
        return [verdict for verdict in verdicts if verdict is not None]

    def _push(self, outgoing: Sequence[Outgoing]) -> list[Verdict]:
        try:
            verdicts = list(self._cycle.remote.push(outgoing))[: len(outgoing)]
        except RemoteError as error:
            verdicts = [Undelivered(error, getattr(error, "applied", None)) for _ in outgoing]
        missing = len(outgoing) - len(verdicts)
        return [*verdicts, *[Faulty("the remote's answer did not mention this change")] * missing]

    def _outgoing(self, one: Sealed) -> Outgoing | Rejected:
        cycle, change, shadow = self._cycle, one.change, one.standing.shadow
        remote_id = shadow.remote_id if shadow else None
        if remote_id is None and (cycle.settings.ids == "client" or not change.captured):
            remote_id = str(change.key)
        try:
            whole = (
                dict(change.data) if change.op == "insert" or not shadow else {**shadow.row, **change.data}
            )
            changed = cycle.mapper.document(cycle.remote_form(change.data, change.data))
            document = changed
            if change.op != "insert":
                whole = cycle.remote_form(whole, change.data)
                document = cycle.mapper.document(whole, shadow.extra if shadow else None)
        except Exception as error:  # noqa: BLE001 - the program's own hook: this row is parked, others go on
            return Rejected(f"it cannot be made a document: {type(error).__name__}: {error}")
        return Outgoing(
            change.key,
            change.op,
            change.mutation_id or "",
            remote_id,
            changed if change.op != "delete" else {},
            document if change.op != "delete" else {},
            change.base_version,
            one.resend,
        )

    # ── 4. settle ──────────────────────────────────────────────────────────────────────────────
    def _settle(self, hold: Hold, sealing: Sealing, verdicts: Sequence[Verdict]) -> None:
        answers = {
            one.change.key: (one, answer_of(self._cycle, one, verdict))
            for one, verdict in zip(sealing.sealed, verdicts, strict=True)
        }
        cycle, now_us = self._cycle, self._cycle.clock.wall_us()

        def work(standing: Standing) -> Effect:
            one, answer = answers[standing.key]
            if one.change.captured:
                return settle(standing, answer, cycle.settings.on_conflict, now_us, self._limits)
            return self._operation(standing, one.change, answer, now_us)

        twins = find_twins(cycle, self._inserted(answers))
        plain = {key: told for key, told in answers.items() if key not in twins} if twins else answers
        effects = settle_edits(cycle, hold, sealing, plain)
        effects += [join_twin(cycle, hold, key, twin, work, self.done.over) for key, twin in twins.items()]
        done = {effect.key for effect in effects}
        rest, refused = [key for key in answers if key not in done], list[Key | None]()
        settled = cycle.step(hold, rest, work, over=self.done.over, refused=refused)
        took = {key: told for key in refused if key is not None and isinstance(told := answers[key][1], Took)}
        for key, told in took.items():
            # The remote has it, though the table refuses it as it is told: what is here stays.
            answers[key] = answers[key][0], Took(None, told.version, told.remote_id)
        if took:
            settled = [effect for effect in settled if effect.key not in took]
            settled += cycle.step(hold, list(took), work, over=self.done.over)
        for effect in [*effects, *settled]:
            assert effect.key is not None
            self._count(effect, answers[effect.key][1])

    def _operation(self, standing: Standing, change: Change, answer: Answer, now_us: int) -> Effect:
        effect = operations.answered(change, answer, self._limits)
        told: RemoteRow | None = None
        if isinstance(answer, Met):
            told = answer.theirs
        elif isinstance(answer, Took) and (answer.row is not None or change.op == "delete"):
            told = RemoteRow(answer.remote_id or str(change.key), answer.row, answer.version, answer.extra)
        if told is None or (told.row is None and standing.shadow is None):
            return effect
        received = receive(standing, told, self._cycle.settings.on_conflict, now_us, self._limits)
        return received._replace(ended=effect.ended, explicit=effect.explicit)

    def _inserted(self, answers: dict[Key, tuple[Sealed, Answer]]) -> dict[str, Key]:
        """The inserts that the remote took, by the ids that it gave them."""
        if self._cycle.settings.ids == "client":
            return {}
        return {
            answer.remote_id: key
            for key, (one, answer) in answers.items()
            if isinstance(answer, Took) and answer.remote_id and one.change.op == "insert"
        }

    def _count(self, effect: Effect, answer: Answer) -> None:
        assert effect.key is not None
        if isinstance(answer, Took):
            self.done.accepted += 1
        if isinstance(answer, Met) and not (effect.explicit and answer.theirs.row is None):
            self.done.conflicts += 1
        failed = [effect.pending, effect.sent, *effect.explicit]
        for change in failed:
            if isinstance(change, Change) and change.status == "failed":
                self.done.rejected.append((effect.key, change.error or "rejected"))
        if effect.conflict is not KEEP and effect.conflict is not None:
            self.done.asked.append((effect.key, fields_of(effect)))


def fields_of(effect: Effect) -> tuple[str, ...]:
    """The columns that a new conflict is about."""
    conflict = effect.conflict
    if conflict is KEEP or conflict is None or conflict.mine is None or conflict.theirs is None:
        return ()
    mine, theirs = conflict.mine, conflict.theirs
    return tuple(name for name in mine if name in theirs and mine[name] != theirs[name])


def _guarded(probe: Callable[[Outgoing], Verdict | None], outgoing: Outgoing) -> Verdict | None:
    try:
        return probe(outgoing)
    except RemoteError as error:
        return Undelivered(error, None)
