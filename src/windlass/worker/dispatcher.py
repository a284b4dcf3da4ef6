"""The dispatcher: wait, collect, settle and claim, send. One thread, one transaction a turn."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from windlass.clock import Clock, SystemClock, earliest, monotonic
from windlass.errors import OutcomeUnknown, StoreError, UnsafeDatabase
from windlass.outcome import AnyOutcome, Completed
from windlass.store.protocol import Claim, ClaimRequest, Lane, Settlement, Store, Turn
from windlass.worker.asking import Asking, pause_s
from windlass.worker.cancelling import Cancelling
from windlass.worker.conditions import Conditions, OpenDevice, own_device
from windlass.worker.lease import Lease
from windlass.worker.listening import Ear
from windlass.worker.membership import Membership, identity
from windlass.worker.openings import Openings
from windlass.worker.orders import Orders
from windlass.worker.pool import Inbox, Pool
from windlass.worker.reconciling import Reconciling
from windlass.worker.refused import refused
from windlass.worker.said import Said
from windlass.worker.slots import Slots
from windlass.worker.sources import Source
from windlass.worker.stopping import Stopping
from windlass.worker.upkeep import Upkeep

log = logging.getLogger("windlass.worker")

BATCH, SHARED_BATCH = 100, 400
"""Jobs a turn at most: more would hold the lock of a file for too long; the turns of a server share it."""
LINGER_S = 0.001
"""While traffic flows, a turn waits this long for company: commits are shared, and other writers get in."""
_PROGRESS_S = 0.1


class Dispatcher:
    """Runs the jobs of a store through a pool until it is stopped.

    ``job_keys`` is what its workers know; None: every key, those of ``own_keys`` and others that no living
    dispatcher has a handler for. ``sources`` make jobs by themselves. ``tap`` may put itself between the pool
    and the dispatcher, to hear along. ``on_message`` hears what workers send out. ``on_ready`` is called once
    the first worker is ready, ``on_stop`` instead of stopping when a worker asks for it; all on its thread.
    ``open_device``: how the device is looked at, by default this machine without conditions of the app's own.
    ``host`` and ``labels``: what this machine is called, and what it has.
    """

    def __init__(
        self,
        store: Store,
        pool: Pool,
        *,
        state_dir: Path,
        job_keys: Sequence[str] | None,
        version: str,
        own_keys: Sequence[str] = (),
        mode: str = "service",
        clock: Clock | None = None,
        poll_s: float = 0.5,
        grace_s: float = 30.0,
        retention_us: int = 7 * 86_400_000_000,
        retention_count: int = 1_000_000,
        sources: Sequence[Source] = (),
        on_message: Callable[[str, Any, int | None], None] | None = None,
        on_ready: Callable[[], None] | None = None,
        on_stop: Callable[[], None] | None = None,
        tap: Callable[[Inbox], Inbox] | None = None,
        open_device: OpenDevice | None = None,
        host: str | None = None,
        labels: Sequence[str] = (),
    ) -> None:
        self._store = store
        self._pool = pool
        self._tap = tap
        self._clock = clock or SystemClock()
        self._lease = Lease(state_dir / "dispatchers", self._clock)
        who = identity(version, mode, job_keys, host, labels, own_keys)
        self._member = Membership(store, self._lease, who)
        self._on_message = on_message
        self._on_ready = on_ready
        self._on_stop = on_stop or (lambda: self._begin_stop(grace_s))
        self._upkeep = Upkeep(store, self._lease, self._member, self._clock, retention_us, retention_count)
        self._activity = self._upkeep.activity
        self._poll_s = poll_s
        self._asking = Asking(sources)
        self._orders = Orders()
        self._settlements: list[Settlement] = []
        self._said = Said()
        self.progressed, self.logged = self._said.progressed, self._said.logged
        self._conditions = Conditions(
            store, open_device or own_device(state_dir, self._clock),
            wake=lambda: self._orders.give(self._device_turned),
        )  # fmt: skip
        self._openings = Openings(store, who, self._conditions, self._clock)
        self._guessed: dict[Lane, int] = {}
        self._slots = Slots()
        self._declined = self._more = self._pool_full = False
        self._batch = BATCH if store.place.is_file else SHARED_BATCH
        self._work_likely = True
        self._last_turn = self._turn_again_at = 0.0
        self._failures = 0
        self._reconciling, self._cancelling = Reconciling(), Cancelling(store, pool)
        self._stopping = Stopping()
        self._failure: str | None = None

    @property
    def owner(self) -> int:
        """Its id in the table of dispatchers; another one once it was taken for dead."""
        return self._member.owner

    # ── from outside, on any thread ────────────────────────────────────────────────────────────
    def stop(self, grace_s: float = 30.0) -> None:
        """Claims no more, gives running jobs ``grace_s`` seconds, then lets go. Safe in signal handlers."""
        self._stopping.announced = True
        self._orders.give(lambda: self._begin_stop(grace_s))

    def broadcast(self, name: str, data: Any, request_id: int | None = None) -> None:
        """Brings a message from outside to every worker."""
        self._orders.give(lambda: self._pool.broadcast(name, data, request_id))

    def scale(self, count: int) -> None:
        """Runs jobs in so many workers from now on."""
        self._orders.give(lambda: self._pool.scale(count))

    # ── the loop ───────────────────────────────────────────────────────────────────────────────
    def run(self) -> None:
        """Works until it is stopped and everything is settled.

        Raises:
            StoreError: the database cannot be used at all.
            RuntimeError: the pool failed to start; the message is its reason.
        """
        try:
            self._conditions.register(self._member.enter())
            self._ear = Ear(self._store, self._poll_s)
            try:
                self._pool.start(self if self._tap is None else self._tap(self))
                self._loop()
                self._leave()
            finally:
                self._pool.kill()
                self._asking.close()
                self._conditions.close()
                self._ear.close()
        finally:
            self._lease.give_up()
            self._orders.close()
        if self._failure is not None:
            raise RuntimeError(self._failure)

    def _loop(self) -> None:
        wish: float | None = 0.0
        while not self._is_over():
            self._orders.wait(wish, self._ear.fileno(), *self._pool.filenos())
            self._activity.look()
            self._pool.collect()
            now = monotonic()
            wish = self._mind(now)
            if self._turn_is_due(now):
                self._turn()
                # What ended meanwhile does not block what is behind it; what was placed brings new deadlines.
                self._pool.collect()
                wish = earliest(earliest(wish, self._conditions.next_moment), self._pool.tick(monotonic()))
            wish = earliest(wish, self._next_turn(now))
            if not self._stopping.asked and monotonic() >= self._turn_again_at:
                # After the turn: what was rung for is claimed first.
                wish = earliest(wish, self._asking.ask())

    def _is_over(self) -> bool:
        if not self._stopping.asked:
            return False
        return self._stopping.is_up(monotonic()) or not (self._pool.held() or self._settlements)

    def _mind(self, now: float) -> float | None:
        if self._stopping.must_interrupt(now):
            self._pool.stop(interrupt=True)
        for claim in self._conditions.lost(now):
            self._pool.cancel(claim.job_id, "constraint")
        wish = earliest(self._stopping.next_moment, self._conditions.next_moment)
        wish = earliest(wish, self._pool.tick(now))
        try:
            self._upkeep.beat(now, lambda: bool(self._pool.held() or self._settlements))
            if self._failures and now < self._turn_again_at:
                return earliest(wish, self._turn_again_at)
            return earliest(wish, self._look(now))
        except (StoreError, OSError) as error:
            self._back_off(error)
            return earliest(wish, self._turn_again_at)

    def _look(self, now: float) -> float:
        if self._ear.heard(now):
            self._look_again()
            self._slots.heard()
            self._openings.guess()
            self._upkeep.heard(now)
            self._member.heard(now)
            self._asking.heard(now)
            self._cancelling.heard()
        self._look_at_others(now)
        self._cancelling.look(self.owner, now)
        if self._upkeep.run(now) or self._slots.has_come(now) or self._conditions.has_steadied(now):
            self._look_again()
        self._conditions.publish(now)
        wish = min(self._ear.next_look, self._upkeep.next_run, self._slots.next_at)
        return min(wish, self._member.next_look, self._cancelling.next_look)

    def _look_at_others(self, now: float) -> None:
        """Says that it lives; hears what was said of its host, and whether others took it for dead."""
        beats = self._member.many_hosts and now >= self._member.next_look
        self._reconciling.ask(beats and self._reconciling.is_open(self._last_turn))
        if self._member.look(now):
            # What these still give is fenced off: they run elsewhere.
            for job_id in self._pool.held():
                self._pool.cancel(job_id, "lost")
            self._conditions.register(self.owner)
        if self._member.goes_on():
            self._look_again()
        if self._member.standing.draining and not self._stopping.asked and not self._pool.held():
            self._on_stop()

    def _look_again(self) -> None:
        """Forgets the lanes: a pool too full for the jobs of the old ones may have room for a new one's."""
        self._work_likely = True
        self._pool_full = False
        self._openings.forget()

    def _device_turned(self) -> None:
        self._conditions.turned()
        self._look_again()

    # ── the turn ───────────────────────────────────────────────────────────────────────────────
    def _turn_is_due(self, now: float) -> bool:
        if now < self._turn_again_at:
            return False
        if self._reconciling.due or len(self._settlements) >= self._batch // 2:
            return True
        claims = self._may_claim()
        if not self._settlements and not claims:
            return bool(self._said) and now - self._last_turn >= _PROGRESS_S
        # While traffic flows, wait for company; the first one after a pause goes at once.
        return (claims and self._more) or now - self._last_turn >= LINGER_S

    def _next_turn(self, now: float) -> float | None:
        if self._settlements or self._reconciling.due or self._may_claim():
            return max(self._turn_again_at, now if self._turn_is_due(now) else self._last_turn + LINGER_S)
        return self._last_turn + _PROGRESS_S if self._said else None

    def _may_claim(self) -> bool:
        return self._work_likely and not (self._pool_full or self._stopping.announced or self._member.is_shut)

    def _turn(self) -> None:
        settlements, self._settlements = self._settlements, []
        told = self._said.take()
        try:
            if self._reconciling.due:
                self._store.reclaim(self.owner, keep=self._pool.held() + [one.job_id for one in settlements])
                self._reconciling.done()
            request = self._request()
            if request is None and not settlements and not any(told):
                return
            turn = self._store.settle_and_claim(settlements, request, *told)
        except (StoreError, OSError) as error:
            self._pool.unplace()
            self._settlements = settlements + self._settlements
            self._said.put_back(told)
            self._back_off(error)
            return
        self._pool.flush()
        self._failures = 0
        self._last_turn = monotonic()
        self._asking.settled(self._last_turn)
        requeued = turn.freed or any(type(one.outcome) is not Completed for one in settlements)
        if turn.freed:  # … some of it for later
            self._upkeep.look_for_due(self._last_turn)
        self._after(turn, request, told=bool(settlements or any(told)), requeued=requeued)

    def _after(self, turn: Turn, request: ClaimRequest | None, *, told: bool, requeued: bool) -> None:
        self._settlements += refused(turn)
        self._conditions.started(turn.claimed)
        if request is not None and request.caps is self._guessed:
            self._look_again()
        elif request is not None:
            self._slots.told(turn.slot_in_us, self._last_turn)
            self._more = turn.more
            if self._declined:
                self._pool_full = True
            elif not turn.claimed:
                # Nothing in these lanes that may run: quiet, until someone says otherwise.
                self._work_likely = False
            if not turn.more and len(turn.claimed) < sum(request.caps.values()):
                self._openings.forget()
        if requeued:
            # Ready only now that it is settled: the lanes were read before.
            self._look_again()
        if requeued or (told and self._slots.gives_places):
            # A dispatcher in this same process shares our connection and does not see its version move.
            self._store.ring()
        elif turn.claimed or told:
            self._store.ring("watch")
        self._upkeep.committed(turn)

    def _request(self) -> ClaimRequest | None:
        if not self._may_claim():
            return None
        self._guessed = self._caps(self._openings.guessed())
        if self._guessed:
            return self._claim_from(self._guessed)
        if not self._openings.known:
            self._slots.look(self._store)
        open_lanes = self._openings.look()
        if not open_lanes:
            self._work_likely = False
            return None
        caps = self._caps(open_lanes)
        if not caps:
            self._pool_full = True
            return None
        return self._claim_from(caps)

    def _caps(self, lanes: list[Lane]) -> dict[Lane, int]:
        return {lane: cap for lane in lanes if (cap := self._pool.cap(lane)) > 0}

    def _claim_from(self, caps: dict[Lane, int]) -> ClaimRequest:
        self._declined = False
        self._upkeep.wake(monotonic())
        before = self._conditions.changed_us(caps)
        extra_us, who, most = self._slots.extra_us, self._member.who, self._batch
        return ClaimRequest(self.owner, most, caps, self._accept, before, extra_us, who.host, who.labels)

    def _accept(self, claim: Claim) -> bool:
        placed = not self._stopping.announced and self._pool.place(claim)
        self._declined = self._declined or not placed
        return placed

    def _back_off(self, error: Exception) -> None:
        if isinstance(error, UnsafeDatabase):
            raise error
        self._reconciling.ask(self._member.many_hosts or isinstance(error, OutcomeUnknown))
        # What was heard meanwhile may not have been looked at.
        self._look_again()
        self._cancelling.heard()
        if self._failures == 0:
            log.warning("the database cannot be used now, work waits: %s", error)
        self._turn_again_at = monotonic() + pause_s(self._failures)
        self._failures = min(self._failures + 1, 10)

    # ── stopping ───────────────────────────────────────────────────────────────────────────────
    def _begin_stop(self, grace_s: float) -> None:
        if self._stopping.ask(monotonic(), grace_s):
            self._pool.recall()
            self._pool.stop(interrupt=False)

    def _leave(self) -> None:
        self._pool.kill()
        while self._settlements:
            before = len(self._settlements)
            self._turn()
            if len(self._settlements) >= before:
                log.error("%d results could not be settled: their jobs run again", before)
                return
        try:
            self._upkeep.seal(self._activity.rest(self.owner), monotonic())
            self._store.unregister(self.owner)
        except StoreError as error:
            log.warning("the database cannot be used at the end, another dispatcher tidies up: %s", error)
        # What was released waits for whoever else is there.
        self._store.ring()

    # ── the pool's inbox ───────────────────────────────────────────────────────────────────────
    def settled(self, claim: Claim, outcome: AnyOutcome, took_us: int | None = None) -> None:
        self._settlements.append(Settlement(claim.job_id, claim.attempt, claim.token, outcome))
        self._activity.ended(claim, outcome, took_us)
        self._asking.ends(claim.key)
        self._slots.ended(claim, outcome)
        self._conditions.over(claim)
        # Room for more, and what did not complete may be ready again.
        self._work_likely, self._pool_full = True, False
        if type(outcome) is not Completed:
            self._upkeep.look_for_due(monotonic())

    def message(self, name: str, data: Any, request_id: int | None) -> None:
        if self._on_message is not None:
            self._on_message(name, data, request_id)

    def stop_asked(self) -> None:
        self._on_stop()

    def failed(self, reason: str) -> None:
        self._failure = reason
        self._begin_stop(0.0)

    def ready(self) -> None:
        self._pool_full = False
        on_ready, self._on_ready = self._on_ready, None
        if on_ready is not None:
            on_ready()
