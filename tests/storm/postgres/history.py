"""What happened in a storm on PostgreSQL: the logs of every host, and the tables of the last server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import psycopg

from tests.storm.history import History, read_logs, read_tables

AUDIT = """
CREATE TABLE IF NOT EXISTS storm_audit (
    seq bigserial PRIMARY KEY, at_ms double precision, job_id bigint, old_status text, new_status text,
    old_token bigint, new_token bigint, attempts bigint);
CREATE TABLE IF NOT EXISTS storm_orders (uid text PRIMARY KEY);
CREATE TABLE IF NOT EXISTS storm_effects (uid text, job_id bigint, attempt bigint, pid bigint);
CREATE OR REPLACE FUNCTION storm_saw() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    at_ms double precision := extract(epoch FROM clock_timestamp()) * 1000;
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO storm_audit (at_ms, job_id, old_status, new_status, old_token, attempts)
        VALUES (at_ms, OLD.id, OLD.status, 'DELETED', OLD.lease_token, OLD.attempts);
    ELSE
        INSERT INTO storm_audit (at_ms, job_id, old_status, new_status, old_token, new_token, attempts)
        VALUES (at_ms, NEW.id, OLD.status, NEW.status, OLD.lease_token, NEW.lease_token, NEW.attempts);
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER storm_saw_update AFTER UPDATE OF status, lease_token, attempts
    ON background_service_jobs FOR EACH ROW EXECUTE FUNCTION storm_saw();
CREATE OR REPLACE TRIGGER storm_saw_delete AFTER DELETE
    ON background_service_jobs FOR EACH ROW EXECUTE FUNCTION storm_saw();
GRANT ALL ON ALL TABLES IN SCHEMA public TO app;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO app;
"""
"""Our own tables, and the triggers that see every change of a job. The changes of a row are numbered in their
order: who changes it waits for who changed it before."""

KEPT = ("background_service_jobs", "storm_audit", "windlass_dispatchers", "windlass_attempts")


def read(folders: Sequence[Path], url: str) -> History:
    """Reads all logs of some folders and the database they are about."""
    history = History()
    for folder in folders:
        read_logs(history, folder)
    with psycopg.connect(url) as connection:
        history.integrity = integrity(connection)
        read_tables(history, connection)
        for table in KEPT:
            keep(connection, table, folders[0])
    return history


def keep(connection: psycopg.Connection, table: str, folder: Path) -> None:
    """Writes a table beside the logs: its server is gone when somebody asks why."""
    sql = f"COPY {table} TO STDOUT (FORMAT csv, HEADER)".encode()
    path = folder / f"{table}.csv"
    with path.open("wb") as file, connection.cursor() as cursor, cursor.copy(sql) as rows:
        for row in rows:
            file.write(row)


def integrity(connection: psycopg.Connection) -> str:
    """``ok`` where each index knows the rows that the table has."""
    counts = set[int]()
    for setting in ("enable_seqscan", "enable_indexscan"):
        with connection.transaction():
            connection.execute(f"SET LOCAL {setting} = off".encode())
            if setting == "enable_indexscan":
                connection.execute("SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_bitmapscan = off")
            row = connection.execute("SELECT count(*) FROM background_service_jobs WHERE id > 0").fetchone()
            assert row is not None
            counts.add(int(row[0]))
    return (
        "ok" if len(counts) == 1 else f"the table has {counts} rows, as the index or the rows themselves tell"
    )
