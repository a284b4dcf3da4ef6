"""Looking at a server without changing it: what ``windlass doctor`` and the dashboard's storage page ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from windlass.clock import SystemClock

if TYPE_CHECKING:
    from windlass.store.postgres.store import PostgresStore

OLDEST_VERSION = 150_000
"""What Windlass is tested with begins there, as the server numbers its versions."""
_TABLES_MOST = 20


class Standby(NamedTuple):
    """A server that follows this one."""

    name: str
    state: str | None
    """None: this user may not see it."""
    behind_bytes: int | None

    @property
    def told(self) -> str:
        """How it stands, for people."""
        if self.state is None:
            return f"{self.name or 'one'}: how it stands cannot be seen"
        return f"{self.name}: {self.state}, behind by {self.behind_bytes or 0:,} bytes"


class Server(NamedTuple):
    """A server and a database on it, at one moment."""

    version: str
    version_number: int
    is_standby: bool
    size_bytes: int
    connections: int
    """To all databases, whoever has them; a worker of the server's own may be among them."""
    connections_most: int
    """So many an ordinary user may make at most."""
    skew_s: float
    """How far its clock is ahead of this machine's, in seconds; the way there and back is in it."""
    settings: dict[str, str]
    """Those that decide what survives a power cut, and who tidies up."""
    standbys: tuple[Standby, ...]
    is_pooled: bool
    """There is a pooler in between, which may give each transaction another session."""
    has_hints: bool
    """NOTIFY and advisory locks are used."""


class Session(NamedTuple):
    """One that keeps old rows from being removed."""

    pid: int
    application: str
    state: str
    age_s: float
    """How long its transaction has been open."""


class Unseen(NamedTuple):
    """Sessions on this database of which this user may not see what they do."""

    sessions: int
    roles: str
    """Whose they are: ``ann, bob``."""
    us: str
    """Our own role, as SQL spells it."""


class Table(NamedTuple):
    """A table of ours, as the server's statistics have it."""

    name: str
    live: int
    dead: int
    """Rows that no transaction sees any more, and that no vacuum has removed yet."""
    bytes: int
    """With its indexes."""
    is_vacuumed: bool
    """Autovacuum looks after it."""


_SERVER = """
SELECT current_setting('server_version'), current_setting('server_version_num')::bigint, pg_is_in_recovery(),
       pg_database_size(current_database()),
       -- Everybody may see these figures; of others' sessions not even what kind they are.
       (SELECT sum(numbackends)::bigint FROM pg_stat_database),
       current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint
           - coalesce(current_setting('reserved_connections', true), '0')::bigint,
       (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
"""
_SETTINGS = """
SELECT name, setting FROM pg_settings
WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'autovacuum')
"""
_STANDBYS = """
SELECT application_name, state, pg_wal_lsn_diff(sent_lsn, replay_lsn)::bigint
FROM pg_stat_replication
"""
_SESSIONS = """
SELECT pid, coalesce(application_name, ''), coalesce(state, ''),
       extract(epoch FROM clock_timestamp() - xact_start)::float8
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
  AND xact_start < clock_timestamp() - make_interval(secs => %(age)s)
ORDER BY xact_start
"""
_UNSEEN = """
SELECT count(*), coalesce(string_agg(DISTINCT usename, ', ' ORDER BY usename), ''), quote_ident(current_user)
FROM pg_stat_activity
WHERE datname = current_database() AND usesysid IS NOT NULL AND backend_type IS NULL
"""
_TABLES = """
SELECT c.relname, s.n_live_tup, s.n_dead_tup, pg_total_relation_size(c.oid),
       NOT coalesce(c.reloptions::text LIKE '%%autovacuum_enabled=false%%', false)
FROM pg_class AS c JOIN pg_stat_user_tables AS s ON s.relid = c.oid
WHERE c.relnamespace = current_schema()::regnamespace
  AND (c.relname LIKE 'windlass\\_%%' OR c.relname IN ('background_service_jobs', 'sync_queue'))
ORDER BY pg_total_relation_size(c.oid) DESC LIMIT %(most)s
"""


def look(store: PostgresStore) -> Server:
    """How the server is.

    Raises:
        StoreUnavailable: it cannot be reached.
    """
    clock = SystemClock()
    with store.database.read() as connection:
        before_us = clock.wall_us()
        row = _rows(connection, _SERVER)[0]
        here_us = (before_us + clock.wall_us()) // 2
        settings = dict(_rows(connection, _SETTINGS))
        standbys: Sequence[Any] = () if row[2] else _rows(connection, _STANDBYS)
    return Server(
        version=row[0],
        version_number=row[1],
        is_standby=row[2],
        size_bytes=row[3],
        connections=row[4],
        connections_most=row[5],
        skew_s=(row[6] - here_us) / 1_000_000,
        settings=settings,
        standbys=tuple(Standby(*standby) for standby in standbys),
        is_pooled=store.database.connections.facts.pooled,
        has_hints=store.database.location.hints,
    )


def old_transactions(store: PostgresStore, age_s: float = 60.0) -> list[Session]:
    """Sessions on this database whose transaction has been open for so long, the oldest first.

    Those of other roles only where this user may see them: ``unseen`` tells.
    """
    with store.database.read() as connection:
        return [Session(*row) for row in _rows(connection, _SESSIONS, {"age": age_s})]


def unseen(store: PostgresStore) -> Unseen:
    """Of how many sessions nobody can say here how long their transactions have been open."""
    with store.database.read() as connection:
        return Unseen(*_rows(connection, _UNSEEN)[0])


def tables(store: PostgresStore) -> list[Table]:
    """The largest of our tables."""
    with store.database.read() as connection:
        return [Table(*row) for row in _rows(connection, _TABLES, {"most": _TABLES_MOST})]


def _rows(connection: Any, sql: str, values: dict[str, Any] | None = None) -> Sequence[Any]:
    """In PostgreSQL's own spelling."""
    return connection.cursor().execute(sql, values).fetchall()
