"""How the storage is where the database is on a PostgreSQL server."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from windlass.app import Windlass
from windlass.storage.state import Finding, ServerState, StorageState, TableState

if TYPE_CHECKING:
    from windlass.store.postgres.inspecting import Server, Table
    from windlass.store.postgres.store import PostgresStore

_FULL = 0.85
_DEAD_LEAST = 10_000
_OLD_S = 60.0


def server_storage(app: Windlass) -> StorageState:
    """How the server is, as far as this user may see."""
    from windlass.store.postgres.inspecting import look, tables
    from windlass.store.postgres.migrate import migrations

    store = cast("PostgresStore", app.store)
    server, found = look(store), tables(store)
    known = len(migrations())
    return StorageState(
        path=app.place.shown,
        server=ServerState(
            version=server.version,
            connections=server.connections,
            connections_most=server.connections_most,
            skew_s=server.skew_s,
            standbys=[one.told for one in server.standbys],
            tables=[
                TableState(name=one.name, live_rows=one.live, dead_rows=one.dead, size_bytes=one.bytes)
                for one in found
            ],
        ),
        file_bytes=server.size_bytes,
        wal_bytes=0,
        free_bytes=shutil.disk_usage(app.place.disk).free,
        file_system=None,
        sqlite="",
        checkpointed_at=None,
        schema=f"{known - len(store.waiting_migrations())} of {known}",
        findings=list(_findings(store, server, found)),
        backups=[],
    )


def _findings(store: PostgresStore, server: Server, found: list[Table]) -> Iterator[Finding]:
    from windlass.store.postgres.inspecting import old_transactions, unseen

    if server.connections >= _FULL * server.connections_most:
        yield Finding(
            level="warning",
            check="connections",
            text=f"{server.connections} of {server.connections_most} connections are used",
            way_out="raise max_connections, or put pgbouncer in transaction mode in between",
        )
    for session in old_transactions(store, _OLD_S)[:3]:
        yield Finding(
            level="warning",
            check="transactions",
            text=f"server process {session.pid} has had a transaction open for {session.age_s:,.0f} s",
            way_out=f"end it, or SELECT pg_terminate_backend({session.pid})",
        )
    hidden = unseen(store)
    if hidden.sessions:
        yield Finding(
            level="note",
            check="transactions",
            text=f"sessions of other roles ({hidden.roles}: {hidden.sessions:,}) cannot be seen",
            way_out=f"GRANT pg_read_all_stats TO {hidden.us}",
        )
    for one in found:
        if one.dead > max(_DEAD_LEAST, one.live):
            yield Finding(
                level="warning",
                check="vacuum",
                text=f"{one.name} holds {one.dead:,} dead rows beside {one.live:,} live ones",
                way_out=f"VACUUM {one.name}",
            )
