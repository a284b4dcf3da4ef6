"""What ``windlass doctor`` asks of a PostgreSQL server, the database there and its tables. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from windlass.cli.findings import Finding, note, ok, problem, warning
from windlass.store.postgres.inspecting import (
    OLDEST_VERSION,
    Server,
    Table,
    look,
    old_transactions,
    tables,
    unseen,
)
from windlass.store.postgres.listener import has_session

if TYPE_CHECKING:
    from windlass.store.postgres.store import PostgresStore

_SKEW_MOST_S = 2.0
_FULL = 0.85
_DEAD_LEAST = 10_000


def server(store: PostgresStore) -> Iterator[Finding]:
    """Is it there, and does it keep what was written?"""
    found = look(store)
    yield ok("server", f"PostgreSQL {found.version}, {found.size_bytes / 1e6:,.1f} MB in this database")
    if found.version_number < OLDEST_VERSION:
        yield warning(
            "server",
            f"PostgreSQL {found.version} is older than Windlass is tested with",
            "use 15 or newer",
        )
    if found.is_standby:
        yield problem(
            "server",
            "this is a standby: nothing can be written",
            "name the primary, or both with target_session_attrs=read-write in the URL",
        )
    yield from _durability(found)
    yield from _clock(found)
    yield from _connections(found)
    yield from _notices(store, found)
    for one in found.standbys:
        if one.state is None:
            yield note("standby", one.told, "GRANT pg_read_all_stats to this role")
        else:
            yield ok("standby", one.told)


def schema(store: PostgresStore) -> Finding:
    """Does the database speak this version's language?"""
    from windlass.store.postgres.migrate import migrations

    todo, known = store.waiting_migrations(), migrations()
    if len(todo) == len(known):
        return warning("schema", "the schema holds no tables of Windlass", "windlass migrate")
    if todo:
        names = ", ".join(migration.name for migration in todo)
        return warning(
            "schema", f"migrations wait: {names}", "windlass migrate (a starting service does it too)"
        )
    return ok("schema", f"schema {known[-1].number}, up to date")


def transactions(store: PostgresStore, age_s: float = 60.0) -> Iterator[Finding]:
    """Who keeps old rows from being removed, or others from writing?"""
    found, hidden = old_transactions(store, age_s), unseen(store)
    for one in found[:3]:
        yield warning(
            "transactions",
            f"{one.application or 'a program'} (server process {one.pid}) has had a transaction open for "
            f"{one.age_s:,.0f} s, {one.state}: dead rows stay meanwhile, and claims grow slower",
            f"end it, or SELECT pg_terminate_backend({one.pid}); set idle_in_transaction_session_timeout",
        )
    if hidden.sessions:
        yield note(
            "transactions",
            f"sessions of other roles ({hidden.roles}: {hidden.sessions:,}) cannot be seen: whether one of "
            "them keeps a transaction open is not known",
            f"GRANT pg_read_all_stats TO {hidden.us}",
        )
    elif not found:
        yield ok("transactions", "no transaction has been open for a minute")


def bloat(store: PostgresStore) -> Iterator[Finding]:
    """Does autovacuum keep up?"""
    found = tables(store)
    swollen = [one for one in found if one.dead > max(_DEAD_LEAST, one.live)]
    for one in swollen:
        yield warning(
            "vacuum",
            f"{one.name} holds {one.dead:,} dead rows beside {one.live:,} live ones",
            f"VACUUM {one.name}; where it happens again, look for old transactions, replication slots and "
            "autovacuum_max_workers",
        )
    off = [one.name for one in found if not one.is_vacuumed]
    if off:
        names = ", ".join(off)
        yield warning(
            "vacuum",
            f"autovacuum is switched off for {names}",
            "; ".join(f"ALTER TABLE {name} RESET (autovacuum_enabled)" for name in off),
        )
    if not swollen and not off:
        yield ok("vacuum", _size_of(found))


def _size_of(found: list[Table]) -> str:
    dead = sum(one.dead for one in found)
    size = sum(one.bytes for one in found) / 1e6
    return f"our tables and their indexes have {size:,.1f} MB; {dead:,} dead rows"


def _durability(found: Server) -> Iterator[Finding]:
    for name in ("fsync", "full_page_writes"):
        if found.settings.get(name) == "off":
            yield problem(
                "durability", f"{name} is off: a power cut may destroy the database", f"set {name} = on there"
            )
    if found.settings.get("autovacuum") == "off":
        yield problem("vacuum", "autovacuum is off: tables only grow", "set autovacuum = on there")
    level = found.settings.get("synchronous_commit", "on")
    if level == "off":
        yield note(
            "durability",
            "synchronous_commit is off on this server; Windlass sets it for what must be kept",
        )
    else:
        yield ok("durability", f"synchronous_commit is {level}")


def _clock(found: Server) -> Iterator[Finding]:
    if abs(found.skew_s) > _SKEW_MOST_S:
        ahead = "ahead of" if found.skew_s > 0 else "behind"
        yield warning(
            "clock",
            f"the server's clock is {abs(found.skew_s):,.1f} s {ahead} this machine's: due times go by the "
            "server's, and what this machine shows looks early or late",
            "synchronize both (chrony, systemd-timesyncd)",
        )
    else:
        yield ok("clock", f"{abs(found.skew_s) * 1000:,.0f} ms between the server's clock and this machine's")


def _connections(found: Server) -> Iterator[Finding]:
    told = f"{found.connections} of {found.connections_most} connections are used"
    if found.connections >= _FULL * found.connections_most:
        yield warning(
            "connections", told, "raise max_connections, or put pgbouncer in transaction mode in between"
        )
    else:
        yield ok("connections", told)


def _notices(store: PostgresStore, found: Server) -> Iterator[Finding]:
    if found.is_pooled and not has_session(store.database.connections):
        yield note(
            "pooler",
            "there is a pooler in transaction mode in between, where no NOTIFY arrives: jobs start by "
            "polling (poll), and a host that is gone is noticed by its silence alone",
        )
    elif found.is_pooled:
        yield note("pooler", "there is a pooler in between, which leaves each program its session")
    if not found.has_hints:
        yield note("hints", "NOTIFY and advisory locks are off (windlass_hints=off): jobs start by polling")
