"""The capture of a table, as text: one function, and a trigger for each kind of edit.

It runs with the rights of who installed it: who may write to the table needs none to the journal. Everything
is named with its schema, whatever the writer's search path is.
"""

from __future__ import annotations

from windlass.store.postgres.ledger.tables import UserTable
from windlass.store.relational.ledger.identifiers import quoted

_FUNCTION = """CREATE OR REPLACE FUNCTION {schema}.{name}() RETURNS TRIGGER LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $capture$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO {schema}.windlass_journal (resource, key, op) VALUES ({resource}, {new}, 'insert');
    ELSIF TG_OP = 'UPDATE' THEN
        IF {new} <> {old} THEN
            -- A changed key is the old row's end beside the new one's beginning.
            INSERT INTO {schema}.windlass_journal (resource, key, op) VALUES ({resource}, {old}, 'rename');
        END IF;
        INSERT INTO {schema}.windlass_journal (resource, key, op) VALUES ({resource}, {new}, 'update');
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO {schema}.windlass_journal (resource, key, op) VALUES ({resource}, {old}, 'delete');
    ELSE
        INSERT INTO {schema}.windlass_journal (resource, key, op)
            SELECT {resource}, key, 'delete' FROM {schema}.windlass_sync_shadows WHERE resource = {resource}
            UNION SELECT {resource}, key, 'delete' FROM {schema}.sync_queue WHERE resource = {resource};
    END IF;
    PERFORM pg_notify({channel}, 'work') WHERE current_setting('windlass.hints', true) IS DISTINCT FROM 'off';
    RETURN NULL;
END $capture$"""


def name_of(resource: int) -> str:
    """Of the function; those of the triggers begin with it."""
    return f"windlass_sync_{resource}"


def capture_of(resource: int, table: UserTable, every_column: tuple[str, ...], schema: str) -> dict[str, str]:
    """The function and the triggers, by name, in the order in which they are made."""
    name, place = name_of(resource), quoted(schema)
    function = _FUNCTION.format(
        schema=place, name=name, resource=resource, new=table.key_sql("NEW."), old=table.key_sql("OLD."),
        channel="'" + f"windlass.{schema}".replace("'", "''") + "'",
    )  # fmt: skip
    some = set(every_column) - set(table.columns)
    of = f" OF {', '.join(map(quoted, table.columns))}" if some else ""
    heard = f"WHEN (pg_catalog.current_setting('windlass.silent', true) IS DISTINCT FROM '{resource}')"
    found = {name: function}
    for op, event, each in (
        ("insert", "INSERT", "ROW"),
        ("update", f"UPDATE{of}", "ROW"),
        ("delete", "DELETE", "ROW"),
        ("truncate", "TRUNCATE", "STATEMENT"),
    ):
        found[f"{name}_{op}"] = (
            f"CREATE TRIGGER {name}_{op} AFTER {event} ON {table.name} FOR EACH {each} {heard} "
            f"EXECUTE FUNCTION {place}.{name}()"
        )
    return found
