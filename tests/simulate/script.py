"""What people and fate do to a machine and its schedules: all of it drawn from the world's seed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tests.simulate.fleet import Fleet
from tests.simulate.nominal import spans_of
from tests.simulate.world import DAY, HOUR, MINUTE, SECOND, World
from windlass import Windlass
from windlass.clock import from_us

ZONES = ("Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "America/St_Johns", "Asia/Kolkata")
WORK_S = {"work.moment": 0.05, "work.minute": 60.0, "work.hour": 3600.0, "work.day": 30_000.0}
"""How long a run of each job takes, on average."""
_POLICIES: tuple[dict[str, Any], ...] = (
    {}, {}, {"missed": "latest"}, {"missed": "skip"}, {"missed": "all"}, {"missed": "all", "missed_most": 3},
)  # fmt: skip


class Weather(NamedTuple):
    """How much happens, in how long."""

    days: float
    schedules: int = 24
    suspends: int = 200
    reboots: int = 60
    jumps: int = 24
    small_jumps: int = 60
    outages: int = 40
    edits: int = 2000
    life_days: float = 15.0
    """How long a dispatcher lives, on average …"""
    pause_days: float = 40.0
    """… and how long its place then is empty."""
    begin: datetime = datetime(2026, 1, 1, tzinfo=UTC)


class Script:
    """Writes down at the start what is to happen; people make up their minds as they go."""

    def __init__(self, world: World, app: Windlass, weather: Weather) -> None:
        self.world, self.app, self.weather = world, app, weather
        self.random = world.random
        self.fleet = Fleet(world, app.store, self._program_starts, self._work_us)
        self.fleet.meddle = self.meddle
        self._program: dict[str, dict[str, Any]] = {}
        """What the program adds at each start; people remove and change it meanwhile."""
        self._there: dict[str, dict[str, Any]] = {}
        """What each schedule is like now."""
        self._paused: set[str] = set()
        self._is_over = False
        self._bursts = 0

    def begin(self) -> None:
        """Lets everything begin."""
        weather, rest_us = self.weather, int(self.weather.days * DAY)
        for number in range(weather.schedules):
            self._program[f"s{number:02d}"] = self._drawn()
        for place in range(len(self.fleet.places)):
            self.world.after(self.random.uniform(0, weather.life_days) * DAY / 4, self._starting(place))
        self.world.after(SECOND, self._starting(0))
        fates: tuple[tuple[int, Callable[[], None]], ...] = (
            (weather.suspends, self._suspend), (weather.reboots, self._reboot), (weather.jumps, self._jump),
            (weather.small_jumps, self._small_jump), (weather.outages, self._outage),
            (weather.edits, self.meddle), (weather.schedules, self._add_next),
            (max(int(weather.days / 15), 2), self._add_once), (max(int(weather.days / 30), 1), self._prune),
        )  # fmt: skip
        for day in range(int(weather.days)):
            self.world.at(day * DAY, self._look_at_calendar)
        for count, fate in fates:
            for _ in range(count):
                early = 0.02 if fate == self._add_next else 0.93
                self.world.at(int(self.random.uniform(0, rest_us * early)), fate)

    def end(self) -> None:
        """Nobody does anything any more, and all that is due gets done."""
        self._is_over = True
        self.world.note("over")
        for place in range(2):
            self.fleet.start(place)
        self.fleet.ring()

    # ── the program ──────────────────────────────────────────────────────────────────────────────
    def _program_starts(self) -> None:
        known = list(self._program)
        for name in self.random.sample(known, min(2, len(known))):
            if name in self._there:
                self._add(name, self._program[name])

    def _add_next(self) -> None:
        missing = [name for name in self._program if name not in self._there]
        if missing:
            self._add(missing[0], self._program[missing[0]])

    def _drawn(self) -> dict[str, Any]:
        draw = self.random
        kind = draw.choice(["every", "every", "every", "rest", "cron", "cron", "cron", "cron", "at", "at"])
        options: dict[str, Any] = {"job": draw.choice(list(WORK_S)), **draw.choice(_POLICIES)}
        if draw.random() < 0.3:
            options["overlap"] = True
        if draw.random() < 0.3:
            options["initial_delay"] = draw.choice([1, 90, 5000, 86_400])
        if kind in ("every", "rest"):
            options["every"] = self._drawn_span()
            if draw.random() < 0.4:
                options["flex"] = options["every"] // draw.choice([4, 10, 100])
        elif draw.random() < 0.4:
            options["flex"] = draw.choice([30, 300, 1200])
        if kind == "rest":
            options["fixed"] = "delay"
            for name in ("missed", "missed_most", "overlap"):
                options.pop(name, None)
        elif kind == "cron":
            options |= {"cron": self._drawn_cron(), "tz": draw.choice(ZONES)}
        elif kind == "at":
            options |= {"at": self._drawn_times(), "tz": draw.choice(ZONES)}
        return options

    def _drawn_span(self) -> int:
        return self.random.choice([43_200, 86_400, 100_000, 3 * 86_400, 604_800, 777_777, 1_209_600])

    def _drawn_cron(self) -> str:
        minute, hour = self.random.choice([0, 5, 30, 59]), self.random.choice([0, 1, 1, 2, 2, 3, 9, 23])
        day = self.random.choice(
            ["* * *", "* * *", "* * SUN", "* * MON-FRI", "1,15 * *", "28-31 * *", "29 FEB *"]
        )
        seconds = self.random.choice(["", "", "", "15 "])
        return f"{seconds}{minute} {hour} {day}"

    def _drawn_times(self) -> list[str]:
        known = ("00:00", "00:30", "01:15", "01:59", "02:00", "02:30", "02:59", "03:00", "07:30", "23:59")
        # A flex is at most twenty minutes: the times of one schedule are further apart.
        return [self.random.choice(known[:2]), self.random.choice(known[4:6])][
            : self.random.choice([1, 1, 2])
        ]

    def _work_us(self, key: str) -> float:
        return self.random.expovariate(1 / WORK_S[key]) * SECOND

    # ── people ───────────────────────────────────────────────────────────────────────────────────
    def meddle(self) -> None:
        """Somebody changes something."""
        if self._is_over or not self._there:
            return
        name = self.random.choice(sorted(self._there))
        fate = self.random.random()
        if fate < 0.4:
            self._pause(name)
        elif fate < 0.75:
            self._update(name)
        elif fate < 0.85 and name in self._program:
            self._remove(name)
            self.world.after(
                self.random.expovariate(1 / 10) * DAY, lambda: self._add(name, self._program[name])
            )
        else:
            self._add(name, self._program.get(name, self._there[name]))

    def _add(self, name: str, options: dict[str, Any]) -> None:
        if self._is_over:
            return
        how = {key: value for key, value in options.items() if key != "job"}
        self.world.note("added", name, how)
        self.app.schedules.add(name, **options)
        self._there[name] = options
        self.fleet.ring()

    def _remove(self, name: str) -> None:
        if name in self._there:
            self.world.note("removed", name)
            self.app.schedules.remove(name)
            del self._there[name]
            self._paused.discard(name)

    def _pause(self, name: str) -> None:
        self.world.note("paused", name)
        self.app.schedules.pause(name)
        self._paused.add(name)
        self.world.after(self.random.expovariate(1 / 4) * DAY, lambda: self._resume(name))

    def _resume(self, name: str) -> None:
        if name in self._paused:
            self._paused.discard(name)
            self.world.note("resumed", name)
            self.app.schedules.resume(name)
            self.fleet.ring()

    def _update(self, name: str) -> None:
        options = self._there[name]
        changes: dict[str, Any] = {}
        if "every" in options and self.random.random() < 0.8:
            changes["every"] = max(self._drawn_span(), options.get("flex", 0) + 1)
        elif "cron" in options and self.random.random() < 0.7:
            changes |= {"cron": self._drawn_cron(), "tz": self.random.choice(ZONES)}
        elif isinstance(options.get("at"), list):
            changes["at"] = self._drawn_times()
        elif options.get("fixed") != "delay":
            changes |= {"missed": self.random.choice(["latest", "skip", "all"])}
        else:
            changes["flex"] = 60
        options = {**options, **changes}
        self.world.note("updated", name, {key: value for key, value in options.items() if key != "job"})
        self.app.schedules.update(name, **changes)
        self._there[name] = options
        self.fleet.ring()

    def _add_once(self) -> None:
        at_us = self.world.wall_us() + int(self.random.uniform(-2, 100) * DAY) // MINUTE * MINUTE
        name = f"once-{self.world.awake_us // SECOND}"
        self._add(name, {"job": "work.minute", "at": from_us(at_us), **self.random.choice(_POLICIES)})
        self.world.after(self.random.uniform(50, 300) * DAY, lambda: self._remove(name))

    def _look_at_calendar(self) -> None:
        """Schedules that run often live for three days: around a change of the clocks, where there is one."""
        now = self.world.wall_us() // SECOND
        for zone in ZONES:
            if any(now < span.begin < now + 86_400 * 5 // 4 for span in spans_of(zone)):
                for when in ("*/30 * * * *", "*/20 1-3 * * *", "15 * * * *"):
                    self._add_burst({"cron": when, "tz": zone})
        if self.random.random() < 0.02:
            self._add_burst({"every": self.random.choice([600, 1800])})

    def _add_burst(self, when: dict[str, Any]) -> None:
        self._bursts += 1
        name = f"burst-{self._bursts}"
        key = self.random.choice(["work.moment", "work.minute"])
        overlap = {"overlap": True} if self.random.random() < 0.5 else {}
        self._add(name, {"job": key, **when, **overlap, **self.random.choice(_POLICIES)})
        self.world.after(3 * DAY, lambda: self._remove(name))

    # ── fate ─────────────────────────────────────────────────────────────────────────────────────
    def _starting(self, place: int) -> Callable[[], None]:
        def start() -> None:
            if self._is_over:
                return
            self.fleet.start(place)
            self.world.after(self.random.expovariate(1 / self.weather.life_days) * DAY, crash)

        def crash() -> None:
            if self._is_over:
                return
            self.fleet.kill(place)
            pause = self.random.expovariate(1 / self.weather.pause_days) * DAY
            self.world.after(self.random.choice([SECOND, pause, pause]), start)

        return start

    def _suspend(self) -> None:
        self.world.sleep(self._span_us(MINUTE, 6 * DAY))
        self.fleet.disturb()

    def _reboot(self) -> None:
        for place in range(len(self.fleet.places)):
            self.fleet.kill(place)
        self.world.reboot(self._span_us(20 * SECOND, 3 * DAY))
        if self.random.random() < 0.3:
            self.world.set_clock(self.random.choice([-1, 1]) * self._span_us(SECOND, DAY))
        self._come_back()

    def _outage(self) -> None:
        for place in range(len(self.fleet.places)):
            self.fleet.kill(place)
        self.world.after(self._span_us(MINUTE, 4 * DAY), self._come_back)

    def _come_back(self) -> None:
        for place in self.random.sample(range(len(self.fleet.places)), 3):
            self.world.after(
                self.random.choice([10, 10, 11, 4000]) * SECOND, lambda at=place: self._boots(at)
            )

    def _boots(self, place: int) -> None:
        if not self._is_over:
            self.fleet.start(place)

    def _jump(self) -> None:
        """The clock is ninety days wrong for a while."""
        by_us = self.random.choice([-90, 90]) * DAY
        self._set_clock(by_us)
        longest_us = int(min(20.0, self.weather.days / 8) * DAY)
        self.world.after(self._span_us(MINUTE, longest_us), lambda: self._set_clock(-by_us))

    def _small_jump(self) -> None:
        self._set_clock(self.random.choice([-1, 1]) * self._span_us(SECOND, 5 * HOUR))

    def _set_clock(self, by_us: int) -> None:
        self.world.set_clock(by_us)
        self.fleet.disturb()

    def _prune(self) -> None:
        self.app.store.prune(older_than_us=400 * DAY, keep=1000, limit=100_000)

    def _span_us(self, least_us: int, most_us: int) -> int:
        """A span between the two, short ones as likely as long ones; whole milliseconds."""
        return int(least_us * (most_us / least_us) ** self.random.random()) // 1000 * 1000
