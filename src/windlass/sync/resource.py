"""A resource: what ties a table to a remote collection. Declared once, when the program is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, cast

import msgspec

from windlass.backoff import Backoff
from windlass.change import Column, Table
from windlass.constraints import Constraints
from windlass.duration import Duration, to_us
from windlass.errors import ConfigError
from windlass.fields import checked_name
from windlass.sync.mapping import FromRemote, Mapper, ToRemote
from windlass.sync.merge import Policy, checked_policy, named_columns
from windlass.sync.remote import Remote

Ids = Literal["client", "server"]

FIRST_RETRY = Backoff.exponential("30s", cap="1h", jitter="equal")
"""Waits about half a minute before a change is sent again, doubling up to an hour."""


class Live(msgspec.Struct, frozen=True):
    """Where a remote tells that something has changed. What has, the pull that follows finds.

    ``kind``: ``"sse"`` is a stream of server-sent events, ``"poll"`` a URL that answers when there is news.
    """

    url: str
    kind: Literal["sse", "poll"] = "sse"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How a resource is synced. Times in microseconds."""

    name: str
    table: str
    ids: Ids = "client"
    columns: tuple[str, ...] | None = None
    """Only these columns and the key's; None: all but ``exclude``."""
    exclude: tuple[str, ...] = ()
    rename: Mapping[str, str] = {}
    to_remote: ToRemote | None = None
    from_remote: FromRemote | None = None
    model: Any = None
    on_conflict: Policy = "ask"
    every_us: int | None = None
    batch: int = 50
    page_size: int = 1000
    max_attempts: int = 5
    max_conflicts: int = 5
    backoff: Backoff = FIRST_RETRY
    debounce_us: int = 30_000
    fresh_for_us: int = 0
    obey_max_age: bool = False
    sweep_share: float = 0.5
    direction: Literal["both", "pull", "push"] = "both"
    live: Live | None = None
    constraints: Constraints | None = None


class Declared(msgspec.Struct, frozen=True):
    """A resource as its program declared it: nothing of the database has been looked at."""

    settings: Settings
    make_remote: Callable[[], Remote]
    """Called in the process that syncs, once."""
    remote: Remote | None = None
    """What it was declared with; None: a function, of which nothing is known before it is called."""

    @property
    def name(self) -> str:
        """Its name: the table's, unless another was given."""
        return self.settings.name

    def mapper(self, table: Table) -> Mapper:
        """What turns its rows into documents and back."""
        chosen = self.settings
        return Mapper(
            table,
            ids=chosen.ids,
            rename=chosen.rename,
            to_remote=chosen.to_remote,
            from_remote=chosen.from_remote,
            model=chosen.model,
        )

    def synced(self, table: Table) -> Table:
        """The table without the columns that are not synced.

        Raises:
            ConfigError: a column is named that is not there, or one of the key's is excluded.
        """
        chosen = self.settings
        known = [column.name for column in table.columns]
        for name in (*(chosen.columns or ()), *chosen.exclude):
            if name not in known:
                raise ConfigError(f"{chosen.table} has no column {name!r}: it has {', '.join(known)}")
        for name in chosen.exclude:
            if name in table.key:
                raise ConfigError(f"{chosen.table}: {name!r} is part of the key and cannot be excluded")
        wanted = set(known if chosen.columns is None else chosen.columns) - set(chosen.exclude)
        wanted.update(table.key)
        kept = tuple(self._called(column) for column in table.columns if column.name in wanted)
        keys = tuple(one for one in table.foreign_keys if one.column in wanted)
        self._refuse_unknown(table.name, {one.name for one in kept})
        return msgspec.structs.replace(table, columns=kept, foreign_keys=keys)

    def _called(self, column: Column) -> Column:
        field = self.settings.rename.get(column.name, column.name)
        return column if field == column.name else msgspec.structs.replace(column, field=field)

    def _refuse_unknown(self, table: str, synced: set[str]) -> None:
        if missing := sorted(named_columns(self.settings.on_conflict) - synced):
            raise ConfigError(
                f"{self.name}: on_conflict names {', '.join(missing)}, and {table} has no such synced "
                f"column: it has {', '.join(sorted(synced))}"
            )


def declare(
    table: str,
    remote: Remote | Callable[[], Remote],
    *,
    name: str | None = None,
    on_conflict: Policy = "ask",
    every: Duration | None = None,
    ids: Ids = "client",
    columns: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    rename: Mapping[str, str] | None = None,
    to_remote: ToRemote | None = None,
    from_remote: FromRemote | None = None,
    model: Any = None,
    batch: int = 50,
    page_size: int = 1000,
    max_attempts: int = 5,
    backoff: Backoff = FIRST_RETRY,
    debounce: Duration = "30ms",
    fresh_for: Duration | None = None,
    obey_max_age: bool = False,
    sweep_share: float = 0.5,
    direction: Literal["both", "pull", "push"] = "both",
    live: str | Live | None = None,
    constraints: Constraints | None = None,
) -> Declared:
    """Checks a declaration; see ``SyncManager.resource`` for what the words mean.

    Raises:
        ConfigError: something in it cannot be right.
    """
    if ids not in ("client", "server"):
        raise ConfigError(f'expected ids to be "client" or "server", got {ids!r:.80}')
    if direction not in ("both", "pull", "push"):
        raise ConfigError(f'expected direction to be "both", "pull" or "push", got {direction!r:.80}')
    if not 0 < sweep_share <= 1:
        raise ConfigError(f"expected sweep_share to be above 0 and at most 1, got {sweep_share!r:.80}")
    if live is not None and not isinstance(live, str | Live):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f'expected live to be a URL, or Live(url, kind="poll"), got {live!r:.80}')
    if constraints is not None and not isinstance(constraints, Constraints):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"expected constraints to be Constraints(...), got {constraints!r:.80}")
    for what, number in (("batch", batch), ("page_size", page_size), ("max_attempts", max_attempts)):
        if type(number) is not int or number < 1:
            raise ConfigError(f"expected {what} to be a positive integer, got {number!r:.80}")
    chosen = Settings(
        name=checked_name("resource", name or table),
        table=table,
        ids=ids,
        columns=None if columns is None else tuple(columns),
        exclude=tuple(exclude),
        rename=dict(rename or {}),
        to_remote=to_remote,
        from_remote=from_remote,
        model=model,
        on_conflict=checked_policy(on_conflict),
        every_us=None if every is None else to_us(every, name="every"),
        batch=batch,
        page_size=min(page_size, 1000),
        max_attempts=max_attempts,
        backoff=backoff,
        debounce_us=to_us(debounce, name="debounce"),
        fresh_for_us=0 if fresh_for is None else to_us(fresh_for, name="fresh_for"),
        obey_max_age=obey_max_age,
        sweep_share=sweep_share,
        direction=direction,
        live=Live(live) if isinstance(live, str) else live,
        constraints=constraints,
    )
    return _declared(chosen, remote)


def _declared(chosen: Settings, remote: Any) -> Declared:
    if callable(getattr(remote, "pull", None)) and callable(getattr(remote, "push", None)):
        return Declared(chosen, lambda: remote, remote)
    if callable(remote):
        return Declared(chosen, cast("Callable[[], Remote]", remote))
    raise ConfigError(
        "expected remote to be a RestRemote, another object with pull() and push(), or a function that "
        f"makes one, got {remote!r:.80}"
    )
