"""Three-way merge of one row: what it was (base), what it is here (mine), what it is there (theirs).

None stands for a row that does not exist. A column that changed on one side only is taken from that side;
one that changed to the same value on both is no conflict. Only a column that changed to different values on
both sides is *contested*, and only contested columns are judged by a policy. Without a base every column that
differs is contested. A column that ``theirs`` does not tell stays as it is here. Key columns never change.

>>> was = {"id": 1, "title": "tea", "done": 0}
>>> three_way(was, {**was, "title": "green tea"}, {**was, "done": 1}, "ask")
Merged(row={'id': 1, 'title': 'green tea', 'done': 1})
>>> three_way(was, {**was, "title": "green tea"}, {**was, "title": "coffee"}, "ask")
Asks(fields=('title',), reason=None)
>>> three_way(was, {**was, "title": "green tea"}, {**was, "title": "coffee"}, merge({"title": "client"}))
Merged(row={'id': 1, 'title': 'green tea', 'done': 0})
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple, cast

import msgspec

from windlass.change import Conflict, Row
from windlass.errors import ConfigError, SyncError


# ── policies ───────────────────────────────────────────────────────────────────────────────────────
class Latest(msgspec.Struct, frozen=True):
    """The side whose ``column`` is later wins. Build it with ``latest``."""

    column: str


class PerField(msgspec.Struct, frozen=True):
    """A policy for each column. Build it with ``merge``."""

    fields: Mapping[str, FieldPolicy]
    default: FieldPolicy = "ask"


ASK: Final = "ask"
"""What a policy function returns to leave a conflict to a person."""

Word = Literal["server", "client", "ask"]
FieldPolicy = Word | Latest
Decision = Row | None | Literal["mine", "theirs", "ask"]
Policy = Word | Latest | PerField | Callable[[Conflict], Decision]
"""What ``on_conflict=`` takes: a word, ``latest(column)``, ``merge(…)``, or a function that decides."""


def latest(column: str) -> Latest:
    """The side with the later value in ``column`` wins all that is contested; where they are equal, theirs.

    The column holds numbers, or ISO 8601 text (without an offset it is read as UTC), and whoever edits a row
    sets it. Where one side has no such value a person is asked. An edit is kept against a deletion.

    >>> latest("updated_at")
    Latest(column='updated_at')

    Raises:
        ConfigError: ``column`` is no column's name.
    """
    if not isinstance(cast("Any", column), str) or not column:
        raise ConfigError(f'expected latest() to name a column, as latest("updated_at"), got {column!r:.80}')
    return Latest(column)


def merge(fields: Mapping[str, FieldPolicy] | None = None, *, default: FieldPolicy = "ask") -> PerField:
    """A policy for each column that is contested: ``"server"``, ``"client"``, ``"ask"`` or ``latest(…)``.

    Columns that are not named are judged by ``default``. One column that asks keeps the whole row as it is
    until a person has answered. An edit is kept against a deletion.

    >>> merge({"title": "client", "done": "server"}).default
    'ask'

    Raises:
        ConfigError: one of them is none of these.
    """
    for name, policy in (fields or {}).items():
        if not isinstance(cast("Any", name), str) or not name:
            raise ConfigError(f"expected merge(fields=…) to be named by columns, got {name!r:.80}")
        _checked_field(f"merge(fields={{{name!r}: …}})", policy)
    return PerField(dict(fields or {}), _checked_field("merge(default=…)", default))


def checked_policy(policy: Policy) -> Policy:
    """The policy, if it is one.

    Raises:
        ConfigError: it is not; the message names what could be meant.
    """
    if isinstance(policy, PerField):
        return merge(policy.fields, default=policy.default)
    if callable(policy):
        return policy
    return _checked_field("on_conflict", policy, "merge(fields=…) or a function of the conflict")


def named_columns(policy: Policy) -> frozenset[str]:
    """The columns that a policy speaks of: a table that lacks one of them does not fit it."""
    match policy:
        case Latest():
            return frozenset({policy.column})
        case PerField():
            timed = (one for one in (*policy.fields.values(), policy.default) if isinstance(one, Latest))
            return frozenset(policy.fields) | {one.column for one in timed}
        case _:
            return frozenset()


def _checked_field(where: str, policy: Any, more: str = "") -> Any:
    if isinstance(policy, Latest):
        return latest(policy.column)
    if isinstance(policy, str) and policy in ("server", "client", "ask"):
        return policy
    if policy == "latest":
        raise ConfigError(
            f'{where}: "latest" does not say which column tells the time of an edit: '
            'write latest("updated_at"), with the name of yours'
        )
    words = f'"server", "client", "ask", latest("column"){", " if more else ""}{more}'
    raise ConfigError(f"expected {where} to be one of {words}, got {policy!r:.80}")


# ── values ─────────────────────────────────────────────────────────────────────────────────────────
def same(one: Any, other: Any) -> bool:
    """True where SQLite would keep both as one value: 1 is 1.0, and ``"1"`` is another.

    >>> same(1, 1.0), same(1, "1"), same("a", b"a"), same(None, 0)
    (True, False, False, False)
    """
    if one is None or other is None:
        return one is other
    # Nearly always of one type; and this is asked of each column of each row that is synced.
    alike = type(one) is type(other) or _kind(one) == _kind(other)
    return alike and bool(one == other or (one != one and other != other))


def same_row(one: Row | None, other: Row | None) -> bool:
    """True where both have the same columns with the same values, or both do not exist."""
    if one is None or other is None:
        return one is other
    # Equal is the same, at once; what is not equal may still be: NaN, which equals nothing.
    return one == other or (
        one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    )


def is_known(known: Row, told: Row) -> bool:
    """True where every column that is told has the value that is known already."""
    return all(same(known.get(name), value) for name, value in told.items())


def _kind(value: Any) -> str:
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, bytes | bytearray | memoryview):
        return "bytes"
    return type(value).__name__


# ── the merge ──────────────────────────────────────────────────────────────────────────────────────
class Merged(NamedTuple):
    """What the row becomes; None: it is deleted."""

    row: Row | None


class Asks(NamedTuple):
    """A person must decide."""

    fields: tuple[str, ...]
    """The contested columns; where one side deleted the row, those that the other one changed."""
    reason: str | None = None
    """Why the policy did not decide, where it should have."""


class _Sides(NamedTuple):
    base: Row | None
    mine: Row | None
    theirs: Row | None
    merged: dict[str, Any]
    """Every column that is not contested. Of a deletion against an edit: the edited row."""
    contested: tuple[str, ...]


def three_way(
    base: Row | None,
    mine: Row | None,
    theirs: Row | None,
    policy: Policy,
    *,
    key: Sequence[str] = (),
    version: str | None = None,
) -> Merged | Asks:
    """Merges two edits of one row.

    ``key`` names the key's columns; ``version`` is the remote's of ``theirs``, for a policy function. Raises
    nothing: a policy that fails is one that asks.
    """
    sides = _compared(base, mine, theirs, key)
    return sides if isinstance(sides, Merged) else _judged(sides, policy, key, version)


def decided(
    base: Row | None, mine: Row | None, theirs: Row | None, row: Row, *, key: Sequence[str] = ()
) -> Row:
    """The merge with the contested columns as ``row`` says; it may say others, too.

    Raises:
        SyncError: it leaves a contested column open, names an unknown one, or holds what no column can.
    """
    sides = _compared(base, mine, theirs, key)
    if isinstance(sides, Merged):
        sides = _Sides(base, mine, theirs, dict(sides.row or mine or theirs or base or {}), ())
    return _completed(sides, row, key)


def _compared(base: Row | None, mine: Row | None, theirs: Row | None, key: Sequence[str]) -> Merged | _Sides:
    if mine is None or theirs is None:
        return _with_deletion(base, mine, {**(base or {}), **theirs} if theirs is not None else None)
    merged: dict[str, Any] = {}
    contested: list[str] = []
    for name in (*mine, *(one for one in theirs if one not in mine)):
        if name in mine and (name not in theirs or name in key or same(mine[name], theirs[name])):
            merged[name] = mine[name]
        elif name not in mine or (base is not None and same(mine[name], base.get(name))):
            merged[name] = theirs[name]
        elif base is not None and same(theirs[name], base.get(name)):
            merged[name] = mine[name]
        else:
            contested.append(name)
    return _Sides(base, mine, theirs, merged, tuple(contested)) if contested else Merged(merged)


def _with_deletion(base: Row | None, mine: Row | None, theirs: Row | None) -> Merged | _Sides:
    kept = theirs if mine is None else mine
    if base is None or kept is None:
        return Merged(kept)
    changed = tuple(name for name, value in kept.items() if not same(value, base.get(name)))
    return _Sides(base, mine, theirs, dict(kept), changed) if changed else Merged(None)


def _judged(sides: _Sides, policy: Policy, key: Sequence[str], version: str | None) -> Merged | Asks:
    if callable(policy):
        return _asked_function(sides, policy, key, version)
    deleted = sides.mine is None or sides.theirs is None
    if policy == "ask":
        return Asks(sides.contested)
    if deleted:
        chosen = {"server": sides.theirs, "client": sides.mine}
        return Merged(chosen[policy] if isinstance(policy, str) else sides.merged)
    asking: list[str] = []
    reason: str | None = None
    taken = dict(sides.merged)
    for name in sides.contested:
        side = policy.fields.get(name, policy.default) if isinstance(policy, PerField) else policy
        if isinstance(side, Latest):
            side, reason = _later(sides, side.column, reason)
        if side == "ask":
            asking.append(name)
        else:
            taken[name] = _value(sides, side, name)
    return Asks(tuple(asking), reason) if asking else Merged(_ordered(sides, taken))


def _value(sides: _Sides, side: str, name: str) -> Any:
    row = sides.mine if side == "client" else sides.theirs
    return (row or {})[name]


def _ordered(sides: _Sides, row: Mapping[str, Any]) -> Row:
    first = sides.mine or sides.theirs or {}
    return {**{name: row[name] for name in first if name in row}, **row}


def _later(sides: _Sides, column: str, reason: str | None) -> tuple[Word, str | None]:
    mine, theirs = (_moment((row or {}).get(column)) for row in (sides.mine, sides.theirs))
    if mine is None or theirs is None or mine[0] != theirs[0]:
        here, there = ((row or {}).get(column) for row in (sides.mine, sides.theirs))
        return "ask", f"{column} does not say which edit is later: {here!r:.40} here, {there!r:.40} there"
    # The same moment on both sides: theirs, because every other replica has it, too.
    return ("client" if mine[1] > theirs[1] else "server"), reason


def _moment(value: Any) -> tuple[str, Any] | None:
    if isinstance(value, int | float):
        return "number", value
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return "text", moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _asked_function(
    sides: _Sides, policy: Callable[[Conflict], Decision], key: Sequence[str], version: str | None
) -> Merged | Asks:
    conflict = Conflict(base=sides.base, mine=sides.mine, theirs=sides.theirs, version=version)
    try:
        decision: Any = policy(conflict)
        match decision:
            case "mine" | "theirs":
                return _judged(sides, "client" if decision == "mine" else "server", key, version)
            case "ask":
                return Asks(sides.contested)
            case None:
                return Merged(None)
            case Mapping():
                return Merged(_completed(sides, cast("Row", decision), key))
            case _:
                raise SyncError(f'expected "mine", "theirs", "ask", a row or None, got {decision!r:.80}')
    except Exception as error:  # noqa: BLE001 - the program's own function: nothing is lost, a person is asked
        told = str(error) if isinstance(error, SyncError) else f"{type(error).__name__}: {error}"
        return Asks(sides.contested, f"the policy did not decide: {told}")


def _completed(sides: _Sides, row: Row, key: Sequence[str]) -> Row:
    known = {**(sides.base or {}), **(sides.theirs or {}), **(sides.mine or {})}
    for name, value in row.items():
        if name not in known:
            raise SyncError(
                f"the row names {name!r:.80}, which is no column of it: it has {', '.join(known)}"
            )
        if value is not None and not isinstance(value, int | float | str | bytes):
            raise SyncError(
                f"expected {name} to be a number, text, bytes or None, got {type(value).__name__}"
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise SyncError(f"expected {name} to be a number that JSON knows, got {value}")
    if left := [name for name in sides.contested if name not in row and name not in sides.merged]:
        raise SyncError(f"the row leaves open what {', '.join(left)} becomes: both sides changed it")
    given = {name: int(v) if isinstance(v, bool) else v for name, v in row.items() if name not in key}
    return _ordered(sides, {**sides.merged, **given})
