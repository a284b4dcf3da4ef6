"""What must hold on a device before a job may run there, and what keeps it from running.

A fact that nothing on the machine can tell is settled here, in one place:

================  ======================================================================================
no battery        is external power and never low: a server or a desktop charges for ever
metered unknown   is taken for unmetered, as Android does: wired networks are hardly ever declared. But
                  where it *could* be known, and who knows it does not answer, the job waits
roaming unknown   is taken for home, likewise; a mobile connection whose modem does not answer waits
idle unknown      waits, and says so: whoever asks for idleness does not want to disturb anybody
================  ======================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple, NoReturn, cast, get_args
from urllib.parse import urlsplit

import msgspec

from windlass.duration import Duration, describe, to_us
from windlass.errors import InvalidJob
from windlass.facts import (
    UNREAD,
    DeviceState,
    Fact,
    Files,
    Idle,
    Network,
    Power,
    Storage,
    Unknown,
    Verdict,
    size,
)
from windlass.fields import checked_name, checked_span

NetworkKind = Literal["connected", "unmetered", "not_roaming"]

LOW_BATTERY = 20
"""Percent. Below it, and without external power, the battery is low."""
LOW_STORAGE = 1_000_000_000
"""Bytes. Below it *and* below a tenth of the file system, storage is low."""

_TEXT_MAX, _FILES_MAX = 512, 32
_BYTES = {
    "": 1, "B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", re.ASCII)
_GOALS = {
    "connected": "a connection",
    "unmetered": "an unmetered one",
    "not_roaming": "one at home",
}


class Constraints(msgspec.Struct, frozen=True, kw_only=True):
    """What must hold before a job runs, and while it does; what is left out does not matter.

    >>> Constraints(network="unmetered", idle="5m").idle
    '300s'
    >>> Constraints(storage_not_low="2GB").storage_not_low
    2000000000

    Raises:
        InvalidJob: one of them cannot be right.
    """

    network: NetworkKind | None = None
    """``"connected"``: any network, which may be a captive portal that the system has not noticed;
    ``"unmetered"``: one that costs nothing by the byte; ``"not_roaming"``: no foreign mobile network."""
    reachable: str | None = None
    """A URL that must answer, from its own host and with no server error."""
    charging: bool = False
    """On external power."""
    battery_not_low: bool = False
    """On external power, or 20 % charged."""
    idle: bool | Duration = False
    """Nobody uses the device: True, as its own session says, or for such a span (kept as ``"300s"``)."""
    storage_not_low: bool | int | str = False
    """True: 1 GB or a tenth of the file system of the database is free; or so many bytes, ``"2GB"``."""
    files: tuple[str, ...] = ()
    """One of these has changed since the job was enqueued: names with wildcards in their last part, relative
    to the folder of the database."""
    debounce: Duration = "1s"
    """How long the files must have been left alone since then."""
    when: str | None = None
    """The name of a predicate that the app registers with ``@app.condition("name")``."""

    def __post_init__(self) -> None:
        if self.network is not None and self.network not in get_args(NetworkKind):
            kinds = '"connected", "unmetered" or "not_roaming"'
            raise InvalidJob(f"expected network to be {kinds}, got {self.network!r:.80}")
        for name in ("charging", "battery_not_low"):
            _checked_flag(name, getattr(self, name))
        if self.reachable is not None:
            _checked_url(self.reachable)
        if self.when is not None:
            checked_name("when", self.when)
        self._put("idle", _checked_idle(self.idle))
        self._put("storage_not_low", _checked_size(self.storage_not_low))
        self._put("files", _checked_files(self.files))
        self._put("debounce", _span("debounce", self.debounce))
        if self.debounce != "1s" and not self.files:
            raise InvalidJob("expected files beside debounce, got none: it says how long they are left alone")

    def _put(self, name: str, value: object) -> None:
        msgspec.structs.force_setattr(self, name, value)


class Blocked(msgspec.Struct, frozen=True):
    """A condition that does not hold."""

    condition: str
    """The field of ``Constraints`` that asks for it."""
    reason: str
    """What is read now, and what is waited for."""
    since_us: int | None = None
    """Since when, on the wall clock, as far as that is known."""


class Condition(NamedTuple):
    """One thing that must hold."""

    field: str
    """The field of ``Constraints`` that asks for it."""
    name: str
    """The same for everybody who asks for the same: ``idle 300s``."""
    fact: str
    """The name of the fact it is about."""
    fault: Callable[[Fact, int, int | None], str | None]
    """Of the fact, the time now, and since when the job has waited: what is wrong, or None."""


def to_text(constraints: Constraints | None) -> str | None:
    """Canonical JSON: equal constraints give equal text. None where nothing must hold.

    >>> to_text(Constraints(idle="5m", charging=True))
    '{"charging":true,"idle":"300s"}'

    Raises:
        InvalidJob: it is something else.
    """
    if constraints is not None and not isinstance(constraints, Constraints):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidJob(
            f'expected constraints to be Constraints(...), such as Constraints(network="connected"), got '
            f"{constraints!r:.80}"
        )
    if constraints is None or constraints == _NOTHING:
        return None
    asked = {
        name: value
        for name, value in msgspec.structs.asdict(constraints).items()
        if value != getattr(_NOTHING, name)
    }
    return msgspec.json.encode(asked, order="sorted").decode()


def from_text(text: str) -> Constraints:
    """What ``to_text`` gave, or another program wrote.

    Raises:
        InvalidJob: no JSON object of constraints that this version knows.
    """
    try:
        asked = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise InvalidJob(f"expected constraints to be a JSON object, got {text!r:.80} ({error})") from None
    if unknown := sorted(asked.keys() - set(Constraints.__struct_fields__)):
        # A newer version may know them; what was asked for must not be ignored.
        raise InvalidJob(
            f"this version of Windlass knows no constraint {', '.join(unknown)}, only "
            f"{', '.join(Constraints.__struct_fields__)}: upgrade, or enqueue the job without it"
        )
    return Constraints(**asked)


def blocked_by(
    constraints: Constraints, state: DeviceState, *, since_us: int | None = None
) -> tuple[Blocked, ...]:
    """The conditions that do not hold in that state; none: the job may run.

    ``since_us``: since when the job has waited, on the wall clock: a change of ``files`` before that does
    not count.

    >>> state = DeviceState(now_us=0, facts={"power": Power(percent=14, charging=False)})
    >>> [blocked] = blocked_by(Constraints(battery_not_low=True), state)
    >>> blocked.reason
    'battery 14 %, discharging: battery_not_low waits for 20 % or external power'
    """
    found: list[Blocked] = []
    for condition in conditions(constraints):
        fact = state.facts.get(condition.fact, UNREAD)
        fault = condition.fault(fact, state.now_us, since_us)
        if fault is not None:
            found.append(Blocked(condition.field, fault, state.since.get(condition.name)))
    return tuple(found)


def conditions(constraints: Constraints) -> Iterable[Condition]:
    """Each thing that must hold, in the order of the fields."""
    asks = constraints
    if asks.network is not None:
        yield Condition("network", f"network {asks.network}", "network", _network(asks.network))
    if asks.reachable is not None:
        name = f"reachable {asks.reachable}"
        yield Condition("reachable", name, name, _verdict("reachable", asks.reachable))
    if asks.charging:
        yield Condition("charging", "charging", "power", _charging)
    if asks.battery_not_low:
        yield Condition("battery_not_low", "battery_not_low", "power", _battery_not_low)
    if asks.idle is not False:
        yield Condition("idle", f"idle {asks.idle}", "idle", _idle(asks.idle))
    if asks.storage_not_low is not False:
        least = cast("bool | int", asks.storage_not_low)
        yield Condition("storage_not_low", f"storage_not_low {least}", "storage", _storage(least))
    if asks.files:
        fact = f"files {msgspec.json.encode([asks.debounce, *asks.files]).decode()}"
        yield Condition("files", fact, fact, _files(asks.files))
    if asks.when is not None:
        name = f"when {asks.when}"
        yield Condition("when", name, name, _verdict("when", asks.when))


# ── what each of them asks of its fact ───────────────────────────────────────────────────────────
def _unknown(field: str, fact: Fact) -> str:
    told = fact.reason if isinstance(fact, Unknown) else f"it reads {fact}"
    return f"{field} cannot be told: {told}"


def _network(kind: NetworkKind) -> Callable[[Fact, int, int | None], str | None]:
    def fault(fact: Fact, *_: object) -> str | None:
        if not isinstance(fact, Network):
            return _unknown("network", fact)
        trait = {"connected": False, "unmetered": fact.metered, "not_roaming": fact.roaming}[kind]
        if not fact.connected or fact.portal or trait:
            return f"{fact}: network waits for {_GOALS[kind]}"
        if trait is None and fact.doubt:
            word = "metered" if kind == "unmetered" else "roaming"
            return f"{fact}, and nothing tells whether it is {word}: {fact.doubt}"
        return None

    return fault


def _charging(fact: Fact, *_: object) -> str | None:
    if not isinstance(fact, Power):
        return _unknown("charging", fact)
    return None if fact.charging else f"{fact}: charging waits for external power"


def _battery_not_low(fact: Fact, *_: object) -> str | None:
    if not isinstance(fact, Power):
        return _unknown("battery_not_low", fact)
    if fact.charging or fact.percent is None or fact.percent >= LOW_BATTERY:
        return None
    return f"{fact}: battery_not_low waits for {LOW_BATTERY} % or external power"


def _idle(asked: bool | Duration) -> Callable[[Fact, int, int | None], str | None]:
    span_us = 0 if asked is True else to_us(asked)

    def fault(fact: Fact, now_us: int, *_: object) -> str | None:
        if not isinstance(fact, Idle):
            return _unknown("idle", fact)
        if fact.since_us is None:
            return "in use: idle waits until nobody uses the device"
        # A clock that was set back must not read as a negative span.
        rested_us = max(0, now_us - fact.since_us)
        if rested_us < span_us:
            return f"idle for {describe(rested_us)}: idle waits for {describe(span_us)}"
        return None

    return fault


def _storage(least: bool | int) -> Callable[[Fact, int, int | None], str | None]:
    def fault(fact: Fact, *_: object) -> str | None:
        if not isinstance(fact, Storage):
            return _unknown("storage_not_low", fact)
        wanted = min(LOW_STORAGE, fact.total // 10) if least is True else least
        return None if fact.free >= wanted else f"{fact}: storage_not_low waits for {size(wanted)}"

    return fault


def _files(patterns: tuple[str, ...]) -> Callable[[Fact, int, int | None], str | None]:
    def fault(fact: Fact, _: int, since_us: int | None) -> str | None:
        if not isinstance(fact, Files):
            return _unknown("files", fact)
        if fact.changed_us is not None and (since_us is None or fact.changed_us >= since_us):
            return None
        return f"{fact}: files waits for a change of {', '.join(patterns)}"

    return fault


def _verdict(field: str, asked: str) -> Callable[[Fact, int, int | None], str | None]:
    def fault(fact: Fact, *_: object) -> str | None:
        if not isinstance(fact, Verdict):
            return _unknown(f"{field} {asked}", fact)
        return None if fact.holds else f"{fact.told or 'it does not hold'}: {field} waits for {asked}"

    return fault


# ── what they may be ─────────────────────────────────────────────────────────────────────────────
def _checked_flag(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise InvalidJob(f"expected {name} to be True or False, got {value!r:.80}")


def _checked_idle(value: Any) -> bool | str:
    if isinstance(value, bool):
        return value
    span = _span("idle", value)
    if span == "0s":
        raise InvalidJob('expected idle to be True or a span such as "5m", got no time at all')
    return span


def _span(name: str, value: Any) -> str:
    """One spelling of a span, so that equal ones are equal texts."""
    seconds, rest_us = divmod(checked_span(name, value), 1_000_000)
    return f"{seconds}.{rest_us:06d}".rstrip("0") + "s" if rest_us else f"{seconds}s"


def _checked_size(value: Any) -> bool | int:
    if isinstance(value, bool):
        return value
    count = value
    if isinstance(value, str):
        read = _SIZE.fullmatch(value)
        count = round(float(read[1]) * _BYTES[read[2]]) if read and read[2] in _BYTES else None
    if not isinstance(count, int) or not 1 < count < 2**63:
        raise InvalidJob(
            f'expected storage_not_low to be True or a size such as "2GB" or 500_000_000, got {value!r:.80}'
        )
    return count


def _checked_url(url: Any) -> None:
    def refuse(why: str) -> NoReturn:
        raise InvalidJob(f'expected reachable to be a URL such as "https://example.com/ping", got {why}')

    if not isinstance(url, str) or not url.isprintable() or " " in url or len(url) > _TEXT_MAX:
        refuse(f"{url!r:.80}")
    try:
        parts = urlsplit(url)
        wrong = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
    except ValueError:  # a port that is no number, say
        wrong, parts = True, None
    if wrong or parts is None:
        refuse(f"{url!r:.80}")
    if parts.username is not None or parts.fragment:
        refuse("one with a user or a fragment, which is not sent")


def _checked_files(value: Any) -> tuple[str, ...]:
    patterns = (value,) if isinstance(value, str) else value
    if not isinstance(patterns, Iterable):
        raise InvalidJob(f'expected files to be names such as ("inbox/*.csv",), got {value!r:.80}')
    checked = sorted({_checked_pattern(pattern) for pattern in cast("Iterable[Any]", patterns)})
    if len(checked) > _FILES_MAX:
        raise InvalidJob(f"expected files to be at most {_FILES_MAX} names, got {len(checked)}")
    return tuple(checked)


def _checked_pattern(pattern: Any) -> str:
    if not isinstance(pattern, str) or not 1 <= len(pattern) <= _TEXT_MAX or not pattern.isprintable():
        raise InvalidJob(f'expected files to be names such as "inbox/*.csv", got {pattern!r:.80}')
    folder, _, name = pattern.replace("\\", "/").rpartition("/")
    if not name:
        raise InvalidJob(f'expected files to name files, got the folder {pattern!r}: add "*" for all in it')
    if re.search(r"[*?\[]", folder) or name == "**":
        raise InvalidJob(
            f"expected wildcards in the last part of files alone, got {pattern!r}: list each folder, or "
            "register a predicate and name it in when="
        )
    return pattern


_NOTHING = Constraints()
