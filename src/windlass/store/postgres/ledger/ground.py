"""The ground of a ledger in a PostgreSQL database."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import psycopg
from psycopg import errors

from windlass.change import Key, Table
from windlass.errors import ResourceBusy
from windlass.store.ledger import Mark
from windlass.store.postgres.connections import BEGIN, READ_COMMITTED
from windlass.store.postgres.database import Database
from windlass.store.postgres.faults import REFUSALS as REFUSED_VALUES
from windlass.store.postgres.faults import translated
from windlass.store.postgres.joining import joined
from windlass.store.postgres.ledger.describing import describe
from windlass.store.postgres.ledger.statements import LedgerStatements
from windlass.store.postgres.ledger.tables import UserTable, user_table
from windlass.store.postgres.ledger.triggers import capture_of, name_of
from windlass.store.relational.ledger.ground import Shadows
from windlass.store.relational.ledger.identifiers import quoted
from windlass.store.relational.ledger.statements import SQL

log = logging.getLogger("windlass.store")

REFUSALS: tuple[type[Exception], ...] = (
    *REFUSED_VALUES,
    errors.DatatypeMismatch,
    errors.RaiseException,
    UnicodeError,
    msgspec.MsgspecError,
    TypeError,
)
"""What a row can be refused with: a constraint, a trigger, or a value that cannot be held."""

_SILENT_FOR_S = 45
"""So long after its last sign a holder whose host is gone holds a resource …"""
_SIGN_S = 15.0
"""… and so often it gives one."""


class PostgresGround:
    """One schema. Others write at the same time: see the package."""

    refusals = REFUSALS

    def __init__(self, database: Database, check_same: Callable[[Any], psycopg.Connection[Any]]) -> None:
        self._database = database
        self._check_same = check_same

    @property
    def name(self) -> str:
        return self._database.name

    # ── transactions ───────────────────────────────────────────────────────────────────────────
    @contextmanager
    def glance(self) -> Generator[LedgerStatements]:
        with self._database.read() as connection:
            yield LedgerStatements(connection.raw)

    @contextmanager
    def reading(self) -> Generator[LedgerStatements]:
        with self._database.snapshot() as connection:
            yield LedgerStatements(connection.raw)

    @contextmanager
    def writing(self, *, full: bool) -> Generator[LedgerStatements]:
        with self._database.transaction(full=full, turn=None) as connection:
            yield LedgerStatements(connection.raw)

    @contextmanager
    def joined(self, connection: Any) -> Generator[LedgerStatements]:
        raw = self._check_same(connection)
        with joined(raw, self.name, apart=False):
            yield LedgerStatements(raw)

    def after_write(self) -> None:
        """Nothing to do: the server looks after its log."""

    @contextmanager
    def holding(self, resource: str) -> Generator[None]:
        # A lock of a transaction: also behind a pooler it is this holder's, and gone with its connection.
        database = self._database
        advisory = database.locks.are_advisory
        raw = database.connections.take()
        ended = threading.Event()
        sign: threading.Thread | None = None
        try:
            with translated(database.name):
                if not self._lock(raw, resource, advisory=advisory):
                    raise ResourceBusy(
                        f"{resource} is pushed or pulled by another process or thread now: it is done there, "
                        "or try again later"
                    )
            sign = threading.Thread(target=_give_signs, args=(raw, ended), name="windlass-hold", daemon=True)
            sign.start()
            yield
        finally:
            ended.set()
            if sign is not None:
                sign.join()
            database.undo(raw)
            database.connections.give_back(raw)

    def _lock(self, raw: psycopg.Connection[Any], resource: str, *, advisory: bool) -> bool:
        connection = LedgerStatements(raw)
        facts = self._database.connections.facts
        if not advisory:
            made = "INSERT INTO windlass_sync_holds (resource) VALUES (hashtextextended(%s, 0))"
            connection.run(f"{made} ON CONFLICT DO NOTHING", (resource,))
            raw.commit()
        raw.execute((BEGIN if raw.autocommit else READ_COMMITTED).encode())
        connection.run(f"SET LOCAL idle_in_transaction_session_timeout = '{_SILENT_FOR_S}s'")
        if advisory:
            told = (f"windlass {facts.lock} {resource}",)
            found = connection.run("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", told)
            return bool(found.fetchall()[0][0])
        row = "SELECT 1 FROM windlass_sync_holds WHERE resource = hashtextextended(%s, 0)"
        return connection.run(f"{row} FOR UPDATE SKIP LOCKED", (resource,)).fetchone() is not None

    # ── the table and its capture ──────────────────────────────────────────────────────────────
    def describe(self, connection: Any, table: str) -> Table:
        return describe(connection, table)

    def schema_version(self, connection: Any) -> int:
        return connection.execute(SQL["schema_version"]).fetchone()[0]

    def user_table(self, definition: str, known_columns: str) -> UserTable:
        return user_table(definition, known_columns)

    def wanted(self, resource: int, table: Any, every_column: tuple[str, ...]) -> Mapping[str, str]:
        return capture_of(resource, table, every_column, self._schema)

    def found(self, connection: Any, resource: int) -> Mapping[str, str]:
        # What each was made with is kept as its comment; a function is also looked at itself.
        rows = connection.run(_FOUND, {"schema": self._schema, "name": name_of(resource)}).fetchall()
        return {name: told if as_made else "" for name, told, as_made in rows}

    def make(self, connection: Any, wanted: Mapping[str, str]) -> None:
        place = quoted(self._schema)
        for name, text in wanted.items():
            table = text.partition(" ON ")[2].partition(" FOR EACH")[0]
            on = f"TRIGGER {name} ON {table}" if "_" in name.removeprefix("windlass_sync_") else ""
            what = on or f"FUNCTION {place}.{name}()"
            connection.raw.execute(text)
            connection.raw.execute(f"COMMENT ON {what} IS {_literal(text)}")

    def drop(self, connection: Any, resource: int) -> None:
        # With its triggers, also where the table has another name by now.
        what = f"{quoted(self._schema)}.{name_of(resource)}()"
        connection.raw.execute(f"DROP FUNCTION IF EXISTS {what} CASCADE")

    @property
    def _schema(self) -> str:
        return self._database.connections.facts.schema

    # ── the journal beside a look ──────────────────────────────────────────────────────────────
    def edited_since(self, connection: Any, resource: int, mark: Mark) -> set[Key]:
        return {row[0] for row in connection.execute(SQL["journal_moved"], (resource, mark))}

    def clear_journal(
        self, connection: Any, resource: int, keys: Sequence[Key], mark: Mark, span: object = None
    ) -> None:
        del span  # numbers are not given in the order of the commits
        if keys:
            told = msgspec.json.encode(list(dict.fromkeys(keys))).decode()
            connection.execute(SQL["journal_remove"], (resource, told, mark))

    def keep_highest(self, connection: Any) -> None:
        """Nothing to do: a sequence gives no number twice."""

    # ── a write under way ──────────────────────────────────────────────────────────────────────
    def is_overtaken(self, connection: Any, resource: int, keys: Sequence[Key], mark: Mark) -> bool:
        # The rows are locked by now, so nothing can be edited any more before the commit.
        return not self.edited_since(connection, resource, mark).isdisjoint(keys)

    def settle(self, connection: Any) -> None:
        connection.raw.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")

    def write_shadows(self, connection: Any, shadows: Shadows, *, new: bool) -> None:
        resource, generation, keys, rows, versions, remote_ids, extras = shadows
        nothing = [None] * len(keys)
        values = (
            resource,
            generation,
            msgspec.json.Encoder().encode_lines(keys).decode().split("\n")[:-1],
            list(rows),
            list(versions),
            list(remote_ids or nothing),
            list(extras or nothing),
        )
        connection.execute(SQL["shadow_new" if new else "shadow_write"], values)


def _literal(text: str) -> str:
    told = text.replace("\\", "\\\\").replace("'", "''")
    return f"E'{told}'"


_FOUND = """
    SELECT proname, coalesce(obj_description(oid, 'pg_proc'), ''),
        position(prosrc IN coalesce(obj_description(oid, 'pg_proc'), '')) > 0
    FROM pg_proc
    WHERE proname = %(name)s AND pronamespace = %(schema)s::regnamespace
    UNION ALL
    SELECT tgname, coalesce(obj_description(t.oid, 'pg_trigger'), ''), tgenabled <> 'D'
    FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = tgfoid
    WHERE proname = %(name)s AND pronamespace = %(schema)s::regnamespace AND tgparentid = 0
"""


def _give_signs(raw: psycopg.Connection[Any], ended: threading.Event) -> None:
    while not ended.wait(_SIGN_S):
        try:
            raw.execute("SELECT 1")
        except psycopg.Error as error:
            # Whoever takes over has a newer fence, and this holder's next write says so.
            log.warning("the hold of a resource is lost: %s", error)
            return
