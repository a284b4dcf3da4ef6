"""One database for test after test: emptied in between, which is much quicker than a new one for each."""

from __future__ import annotations

import secrets
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from tests.postgres.server import ROLE, SUPERUSER
from windlass.store import open_store

if TYPE_CHECKING:
    from tests.postgres.server import Server

END_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
LARGE_BYTES = 1_000_000
"""A table beyond it is truncated: deleted rows stay on the disk till somebody vacuums."""

REMEMBER = """
CREATE SCHEMA pristine;
CREATE TABLE pristine.objects AS SELECT oid FROM pg_class UNION ALL SELECT oid FROM pg_proc;
CREATE TABLE pristine.sequences AS
    SELECT format('%I.%I', schemaname, sequencename)::regclass AS name, coalesce(last_value, 1) AS value,
           last_value IS NOT NULL AS called
    FROM pg_sequences;
CREATE TABLE pristine.tables AS SELECT oid::regclass AS name, relname AS copy
    FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace;
DO $$
DECLARE of_it record;
BEGIN
    FOR of_it IN SELECT * FROM pristine.tables LOOP
        EXECUTE format('CREATE TABLE pristine.%I AS TABLE %s', 'rows_of_' || of_it.copy, of_it.name);
    END LOOP;
END $$;
"""
"""What a database is like whose tables have just been made."""

RESTORE = f"""
SET session_replication_role = replica;
SET client_min_messages = error;
DO $$
DECLARE of_it record;
BEGIN
    IF EXISTS (SELECT name::oid FROM pristine.tables EXCEPT SELECT oid FROM pg_class) THEN
        RAISE EXCEPTION 'a table is gone';
    END IF;
    FOR of_it IN
        SELECT format('DROP SCHEMA %I CASCADE', nspname) AS command FROM pg_namespace
        WHERE nspname NOT IN ('public', 'pristine', 'information_schema') AND nspname NOT LIKE 'pg\\_%'
        UNION ALL
        SELECT format('DROP %2$s IF EXISTS %1$s CASCADE', oid::regclass,
                      CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END)
        FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'S')
            AND oid NOT IN (SELECT oid FROM pristine.objects)
        UNION ALL
        SELECT format('DROP ROUTINE IF EXISTS %s CASCADE', oid::regprocedure)
        FROM pg_proc WHERE pronamespace = 'public'::regnamespace
            AND oid NOT IN (SELECT oid FROM pristine.objects)
    LOOP
        EXECUTE of_it.command;
    END LOOP;
    FOR of_it IN SELECT * FROM pristine.tables LOOP
        IF pg_relation_size(of_it.name) > {LARGE_BYTES} THEN
            EXECUTE format('TRUNCATE %s CASCADE', of_it.name);
        ELSIF pg_relation_size(of_it.name) > 0 THEN
            EXECUTE format('DELETE FROM %s', of_it.name);
        END IF;
    END LOOP;
    FOR of_it IN SELECT * FROM pristine.tables
        WHERE pg_relation_size(format('pristine.%I', 'rows_of_' || copy)) > 0 LOOP
        EXECUTE format('INSERT INTO %s OVERRIDING SYSTEM VALUE TABLE pristine.%I',
                       of_it.name, 'rows_of_' || of_it.copy);
    END LOOP;
    PERFORM setval(name, value, called) FROM pristine.sequences;
END $$;
"""


class HandedOn:
    """A database with all tables and nothing in them, which one test has after the other.

    Each knows it by another name, so that nothing that is kept by a database's name outlives a test.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._name: str | None = None

    @contextmanager
    def lent(self) -> Generator[str]:
        """Its URL. Whoever is still connected afterwards is sent away."""
        if self._name is None:
            self._name = self._made()
        yield self._server.url(self._name)
        if not self._server.is_running():
            self._server.start()
        try:
            self._name = self._emptied(self._name)
        except psycopg.Error:
            # The test has done something to it that cannot be taken back: the next one gets a new one.
            self.drop()

    def _made(self) -> str:
        name = new_name()
        self._server.execute(f"CREATE DATABASE {name} OWNER {ROLE} TEMPLATE template0")
        store = open_store(self._server.url(name))
        store.migrate()
        store.close()
        self._server.execute(REMEMBER, database=name)
        return name

    def _emptied(self, name: str) -> str:
        with psycopg.connect(self._server.url(name, user=SUPERUSER), autocommit=True) as connection:
            while connection.execute(END_OTHERS).fetchall():
                pass
            connection.execute(RESTORE)
        renamed = new_name()
        self._server.execute(f"ALTER DATABASE {name} RENAME TO {renamed}")
        return renamed

    def drop(self) -> None:
        """Away with it."""
        if self._name is not None:
            self._server.execute(f"DROP DATABASE IF EXISTS {self._name} WITH (FORCE)")
            self._name = None


def new_name() -> str:
    return f"t_{secrets.token_hex(4)}"
