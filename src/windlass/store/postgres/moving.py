"""What a move asks of PostgreSQL: triggers that keep a list of changes, and triggers that refuse them."""

from __future__ import annotations

import json
from collections.abc import Sequence

from windlass.store.postgres.statements import statements_on
from windlass.store.relational.carrying import Row, Table, put_over
from windlass.store.relational.engine import Connection
from windlass.store.relational.noting import ARRIVING

_MANY = 20
"""From so many rows on they are copied in."""
_PAUSE_MS = 600_000
"""So long a transaction that takes its time may wait for the other side; then its program is stopped."""
_SHUT = ("background_service_jobs", "windlass_schedules", "windlass_dispatchers")
_NOTE = """
CREATE OR REPLACE FUNCTION windlass_note() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    rows jsonb[];
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        RAISE EXCEPTION 'windlass: % is moved to another database now: delete its rows', TG_TABLE_NAME;
    END IF;
    -- Of a row whose key changes, both.
    rows := CASE TG_OP
        WHEN 'DELETE' THEN ARRAY[to_jsonb(OLD)]
        WHEN 'INSERT' THEN ARRAY[to_jsonb(NEW)]
        ELSE ARRAY[to_jsonb(OLD), to_jsonb(NEW)]
    END;
    INSERT INTO windlass_moving (name, key)
    SELECT DISTINCT TG_TABLE_NAME::text, (
        SELECT jsonb_agg(one -> part ORDER BY place)::text
        FROM unnest(TG_ARGV) WITH ORDINALITY AS k (part, place)
    )
    FROM unnest(rows) AS one;
    RETURN NULL;
END $$
"""
_REFUSE = """
CREATE OR REPLACE FUNCTION windlass_shut() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_NARGS = 1 OR EXISTS (SELECT FROM windlass_meta WHERE name = TG_ARGV[1]) THEN
        RAISE EXCEPTION 'windlass: %', TG_ARGV[0];
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$
"""


class PostgresMovable:
    """The verbs of ``windlass.store.relational.sides.Movable``."""

    def keep_changes(self, connection: Connection, tables: Sequence[Table]) -> None:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS windlass_moving "
            "(seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name TEXT NOT NULL, key TEXT NOT NULL)"
        )
        connection.execute(_NOTE)
        for table in tables:
            # It waits for those who are writing, and sees all who write later.
            connection.execute(
                f"CREATE OR REPLACE TRIGGER windlass_moving AFTER INSERT OR UPDATE OR DELETE ON {table.name} "
                f"FOR EACH ROW EXECUTE FUNCTION windlass_note ({', '.join(map(_text, table.key))})"
            )
            # That would name no rows, and what was counted is not counted again.
            connection.execute(
                f"CREATE OR REPLACE TRIGGER windlass_moving_all BEFORE TRUNCATE ON {table.name} "
                "FOR EACH STATEMENT EXECUTE FUNCTION windlass_note ()"
            )

    def forget_changes(self, connection: Connection, tables: Sequence[Table]) -> None:
        for table in tables:
            for trigger in ("windlass_moving", "windlass_moving_all"):
                connection.execute(f"DROP TRIGGER IF EXISTS {trigger} ON {table.name}")
        connection.execute("DROP FUNCTION IF EXISTS windlass_note")
        connection.execute("DROP TABLE IF EXISTS windlass_moving")

    def shut(self, connection: Connection, saying: str, *, while_arriving: bool) -> None:
        connection.execute(_REFUSE)
        words = ", ".join(map(_text, [saying, ARRIVING] if while_arriving else [saying]))
        for table in _SHUT:
            connection.execute(
                f"CREATE OR REPLACE TRIGGER windlass_shut BEFORE INSERT OR UPDATE OR DELETE ON {table} "
                f"FOR EACH ROW EXECUTE FUNCTION windlass_shut ({words})"
            )

    def open_up(self, connection: Connection) -> None:
        for table in _SHUT:
            connection.execute(f"DROP TRIGGER IF EXISTS windlass_shut ON {table}")
        connection.execute("DROP FUNCTION IF EXISTS windlass_shut")

    def take_time(self, connection: Connection, *, whole: bool) -> None:
        settings = {"statement_timeout": "0", "idle_in_transaction_session_timeout": str(_PAUSE_MS)}
        if whole:
            settings |= {"enable_seqscan": "on", "enable_bitmapscan": "on"}
        told = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in settings.items())
        connection.execute(f"SELECT {told}")
        # From PostgreSQL 17 on there may be one.
        connection.execute(
            "SELECT set_config('transaction_timeout', '0', true) "
            "WHERE current_setting('transaction_timeout', true) <> '0'"
        )

    def put(self, connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row]) -> None:
        if not table.has_id or len(rows) < _MANY:
            put_over(connection, table, columns, rows)
            return
        place = columns.index("id")
        ids = json.dumps([row[place] for row in rows])
        connection.execute(f"DELETE FROM {table.name} WHERE id IN (SELECT value FROM json_each(?))", (ids,))  # noqa: S608
        statements_on(connection).copy(table.name, columns, rows)

    def last_ids(self, connection: Connection, tables: Sequence[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        for table in tables:
            row = connection.execute(
                "SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence(?, 'id')::regclass), 0)",
                (table,),
            ).fetchone()
            found[table] = row[0]
        return found

    def count_on_from(self, connection: Connection, table: str, last: int) -> None:
        if last > self.last_ids(connection, [table])[table]:
            connection.execute("SELECT setval(pg_get_serial_sequence(?, 'id')::regclass, ?)", (table, last))


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
