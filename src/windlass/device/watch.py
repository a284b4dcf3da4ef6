"""The device as a dispatcher sees it: runs the probes that are asked for, tells when a condition turns."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from windlass.clock import Clock, SystemClock, monotonic
from windlass.constraints import Condition, Constraints, conditions
from windlass.device.probe import POLL_S, Ear, Probe
from windlass.duration import to_us
from windlass.facts import UNREAD, DeviceState, Fact, Files, Idle, Power, Storage, Unknown

if TYPE_CHECKING:
    from windlass.device.predicates import Predicate

log = logging.getLogger("windlass.device")

LINGER_S = 60.0
"""How long a probe goes on that nobody asks for any more: jobs with conditions come and go."""
_RETRY_S, _RETRY_MOST_S = 1.0, 60.0
_PATIENCE_S = 2.0


class Device:
    """This machine. Starts nothing before something is wanted; any thread may use it.

    ``on_change`` is called on the device's own thread, with no lock held, when a wanted condition may have
    turned: it must be quick, and wakes whoever then looks at ``state()``. ``folder``: that of the database.
    ``predicates``: the app's own conditions, by name. ``make_probe``: what finds out a fact; see
    ``windlass.device.machine``.
    """

    def __init__(
        self,
        on_change: Callable[[], None],
        *,
        folder: str,
        clock: Clock | None = None,
        predicates: Mapping[str, Predicate] | None = None,
        make_probe: Callable[[str], Probe] | None = None,
    ) -> None:
        self._on_change = on_change
        self._clock = clock or SystemClock()
        self._folder = folder
        self._predicates: Mapping[str, Predicate] = {} if predicates is None else predicates
        self._make_probe = make_probe or self._probe_of_machine
        self._lock = threading.Lock()
        self._stir = threading.Condition(self._lock)
        self._stirred = False
        self._wanted: dict[str, Condition] = {}
        self._keepers: dict[str, _Keeper] = {}
        self._facts: dict[str, Fact] = {}
        self._since: dict[str, int] = {}
        self._standings: dict[str, _Standing] = {}
        self._reviewer: threading.Thread | None = None
        self._closed = False

    def want(self, wanted: Iterable[Constraints]) -> None:
        """These are asked for from now on, and only these. Returns at once: facts come as they are found.

        Asking again for what is asked for already costs next to nothing.
        """
        by_name = {each.name: each for constraints in wanted for each in conditions(constraints)}
        with self._lock:
            if self._closed or by_name.keys() == self._wanted.keys():
                return
            self._wanted = by_name
            facts = {condition.fact for condition in by_name.values()}
            if any(fact.startswith("reachable ") for fact in facts):
                facts.add("network")  # its changes are when to ask the URL again
            for fact in facts - self._keepers.keys():
                self._facts[fact] = UNREAD
                self._keepers[fact] = _Keeper(fact, self._make_probe, self._found)
            for fact, keeper in self._keepers.items():
                keeper.unwanted_at = None if fact in facts else keeper.unwanted_at or monotonic()
            if self._reviewer is None:
                self._reviewer = threading.Thread(target=self._review, name="windlass-device", daemon=True)
                self._reviewer.start()
            self._wake()

    def state(self) -> DeviceState:
        """What is known now, for ``constraints.blocked_by``. Never waits for a probe."""
        with self._lock:
            return self._state()

    def close(self) -> None:
        """Ends all probes; ``on_change`` is not called afterwards. A predicate that hangs is left behind."""
        with self._lock:
            self._closed = True
            keepers, reviewer = list(self._keepers.values()), self._reviewer
            self._keepers, self._wanted = {}, {}
            self._wake()
        for keeper in keepers:
            keeper.close()
        deadline = monotonic() + _PATIENCE_S
        for thread in (reviewer, *(keeper.thread for keeper in keepers)):
            if thread is not None and thread is not threading.current_thread():
                thread.join(max(0.0, deadline - monotonic()))

    # ── what is found ──────────────────────────────────────────────────────────────────────────
    def _probe_of_machine(self, fact: str) -> Probe:
        from windlass.device.machine import probe_of

        return probe_of(fact, folder=self._folder, predicates=self._predicates, clock=self._clock)

    def _found(self, keeper: _Keeper, value: Fact) -> None:
        with self._lock:
            fact = keeper.fact
            if self._keepers.get(fact) is not keeper or self._facts.get(fact) == value:
                return
            self._facts[fact] = value
            if fact == "network":
                for name, other in self._keepers.items():
                    if name.startswith("reachable "):
                        other.ear.nudge()
            self._wake()

    def _wake(self) -> None:
        self._stirred = True
        self._stir.notify()

    def _state(self) -> DeviceState:
        return DeviceState(now_us=self._clock.wall_us(), facts=dict(self._facts), since=dict(self._since))

    # ── what follows, on the device's own thread ───────────────────────────────────────────────
    def _review(self) -> None:
        pause_s: float | None = None
        while True:
            with self._lock:
                if not self._stirred:
                    self._stir.wait(pause_s)
                self._stirred = False
                if self._closed:
                    return
                turned = self._judge()
                leaving = self._unwanted()
                pause_s = self._pause_s()
            for keeper in leaving:
                keeper.close()
            if turned:
                try:
                    self._on_change()
                except Exception:  # not ours: and the next change must still be told
                    log.exception("whoever was told of a change of the device failed")

    def _judge(self) -> bool:
        """Looks at each wanted condition; True where one is another than before."""
        state = self._state()
        standings: dict[str, _Standing] = {}
        for name, condition in self._wanted.items():
            fact = state.facts.get(condition.fact, UNREAD)
            standing = _standing(condition, fact, state.now_us)
            standings[name] = standing
            if self._standings.get(name, _UNREAD).holds is not standing.holds:
                self._since[name] = state.now_us
        turned = any(self._standings.get(name, _UNREAD) != standing for name, standing in standings.items())
        self._standings = standings
        self._since = {name: since for name, since in self._since.items() if name in standings}
        return turned

    def _unwanted(self) -> list[_Keeper]:
        due = monotonic() - LINGER_S
        leaving = [each for each in self._keepers.values() if each.unwanted_at and each.unwanted_at <= due]
        for keeper in leaving:
            del self._keepers[keeper.fact], self._facts[keeper.fact]
        return leaving

    def _pause_s(self) -> float | None:
        """Until something turns by time alone: a span of idleness is over, a probe has lingered."""
        pauses: list[float] = []
        idle = self._facts.get("idle")
        if isinstance(idle, Idle) and idle.since_us is not None:
            rested_us = self._clock.wall_us() - idle.since_us
            spans = (name.partition(" ")[2] for name in self._wanted if name.startswith("idle "))
            waits_us = (to_us(span) - rested_us for span in spans if span != "True")
            # At most a poll away, since the wall clock may be set meanwhile.
            pauses += [min(wait_us / 1_000_000, POLL_S) for wait_us in waits_us if wait_us > 0]
        now = monotonic()
        pauses += [each.unwanted_at + LINGER_S - now for each in self._keepers.values() if each.unwanted_at]
        return max(0.0, min(pauses)) if pauses else None


class _Standing(NamedTuple):
    """How a condition stands. Whoever waits is told when this is another."""

    holds: bool | None
    """None: not known yet, or, of files, a question of since when."""
    detail: object = None


_UNREAD = _Standing(None)


def _standing(condition: Condition, fact: Fact, now_us: int) -> _Standing:
    if fact is UNREAD:
        return _UNREAD
    if isinstance(fact, Files):
        return _Standing(None, fact.changed_us)
    fault = condition.fault(fact, now_us, None)
    # The reason is news, too, but not each percent of a battery, each byte and each second.
    measured = isinstance(fact, Power | Storage | Idle)
    return _Standing(fault is None, None if measured else fault)


class _Keeper:
    """Keeps the probe of one fact running: one that dies is logged, and tried again after a while."""

    def __init__(
        self,
        fact: str,
        make_probe: Callable[[str], Probe],
        found: Callable[[_Keeper, Fact], None],
    ) -> None:
        self.fact = fact
        self.ear = Ear()
        self.unwanted_at: float | None = None
        self._make_probe = make_probe
        self._found = found
        self._failed = False
        self.thread = threading.Thread(target=self._keep, name=f"windlass-device-{fact:.40}", daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.ear.close()

    def _keep(self) -> None:
        retry_s = _RETRY_S
        while not self.ear.closed:
            begun = monotonic()
            try:
                self._make_probe(self.fact).run(self._tell, self.ear)
                reason = "it ended"
            except Exception as error:  # noqa: BLE001 - a probe that dies must not take the device with it
                reason = f"{type(error).__name__}: {error}"
                self._log_once(error)
            if self.ear.closed:
                break
            if monotonic() - begun > _RETRY_MOST_S:
                retry_s = _RETRY_S
            self._found(self, Unknown(f"its probe failed and is tried again ({reason})"))
            self._rest(retry_s)
            retry_s = min(retry_s * 2, _RETRY_MOST_S)
        self.ear.let_go()

    def _rest(self, seconds: float) -> None:
        until = monotonic() + seconds
        while not self.ear.closed and (left := until - monotonic()) > 0:
            self.ear.wait(left)

    def _tell(self, value: Fact) -> None:
        if not isinstance(value, Unknown):
            self._failed = False
        self._found(self, value)

    def _log_once(self, error: Exception) -> None:
        if not self._failed and not self.ear.closed:
            self._failed = True
            log.warning("the probe of %s failed, and is tried again", self.fact, exc_info=error)
