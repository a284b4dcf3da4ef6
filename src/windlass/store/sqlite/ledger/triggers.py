"""The triggers that capture edits, as text. Other programs run them, too: they call no function of ours."""

from __future__ import annotations

from windlass.store.relational.ledger.identifiers import quoted
from windlass.store.sqlite.ledger.tables import UserTable

PATTERN = "windlass_sync_{}_*"
"""The names of a resource's triggers, as GLOB finds them."""


def triggers_of(resource: int, table: UserTable, every_column: tuple[str, ...]) -> dict[str, str]:
    """The triggers of a table by name, word for word as SQLite keeps them."""
    # With all columns synced, a list would only miss an update that names the key "rowid".
    some = set(every_column) - set(table.columns)
    of = f"OF {', '.join(map(quoted, table.columns))} " if some else ""
    new, old = table.key_sql("NEW."), table.key_sql("OLD.")
    moved = " OR ".join(
        f"OLD.{quoted(name)} IS NOT NEW.{quoted(name)} COLLATE BINARY" for name in table.table.key
    )
    has_new, has_old = table.has_key_sql("NEW."), table.has_key_sql("OLD.")
    parts = {
        "insert": ("AFTER INSERT ON", [has_new], new),
        "update": (f"AFTER UPDATE {of}ON", [has_new], new),
        # A changed key is the old row's end beside the new one's beginning.
        "rename": ("AFTER UPDATE ON", [f"({moved})", has_old], old),
        "delete": ("AFTER DELETE ON", [has_old], old),
    }
    found: dict[str, str] = {}
    for op, (event, conditions, key) in parts.items():
        name = PATTERN.format(resource).replace("*", op)
        heard = f"NOT EXISTS (SELECT 1 FROM windlass_sync_silence WHERE resource = {resource})"  # noqa: S608 - a number
        when = " AND ".join(filter(None, [heard, *conditions]))
        values = f"{resource}, {key}, '{op}'"
        body = f"INSERT INTO windlass_journal (resource, key, op) VALUES ({values});"  # noqa: S608 - names are quoted
        found[name] = f"CREATE TRIGGER {name} {event} {table.name} WHEN {when} BEGIN {body} END"
    return found
