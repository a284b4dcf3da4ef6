"""Edits a replica's tables at random, by plain SQL, as its standard input asks; see the package.

``edit <seed> <transactions>`` makes edits; ``say <word>`` is answered with the word.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.storm.journal import Journal
from tests.storm.sync.shape import FIELDS, IDENTITY, LASTING, connected, database, is_postgres, plain

HOT = [f"hot{number}" for number in range(6)]
"""Notes that every replica makes, edits and deletes."""
ROWS_MOST = 60
Row = dict[str, Any]


class Editor:
    """One process that edits one replica."""

    def __init__(self, folder: Path, replica: int, serial: int) -> None:
        self._replica = replica
        self._next = serial * 1_000_000
        self._journal = Journal(folder / f"editor-{serial}.log")
        where = database(folder, replica)
        self._db = connected(where)
        self._clashes: tuple[type[Exception], ...] = ()
        self._begin, self._locked, self._over = "BEGIN IMMEDIATE", "", "INSERT OR REPLACE"
        if is_postgres(where):
            # Others write at the same time: what is read to be edited is locked, and what clashes is undone.
            from psycopg import errors

            self._clashes = (errors.DeadlockDetected, errors.UniqueViolation, errors.ForeignKeyViolation)
            self._begin, self._locked, self._over = "BEGIN", " FOR UPDATE", "INSERT"
        self._chance = random.Random()
        self._transaction = 0

    def close(self) -> None:
        self._db.close()
        self._journal.close()

    def edit(self, seed: str, transactions: int) -> None:
        self._chance = random.Random(seed)
        for _ in range(transactions):
            self._transaction = self._number()
            try:
                self._db.execute(self._begin)
                for _ in range(self._chance.choice((1, 1, 1, 2, 5))):
                    self._one()
                self._db.execute("COMMIT")
            except self._clashes:
                self._db.execute("ROLLBACK")
                continue
            self._journal.write("ack", tx=self._transaction)

    def _one(self) -> None:
        self._chance.choices(
            (
                self._new_crate,
                self._new_note,
                self._change,
                self._delete,
                self._replace,
                self._rename,
                self._touch,
            ),
            (8, 14, 50, 12, 4, 2, 3),
        )[0]()

    # ── kinds of edits ────────────────────────────────────────────────────────────────────────────
    def _new_crate(self) -> None:
        if self._count("crates") < ROWS_MOST:
            kind = self._chance.choice((LASTING, "b"))
            self._insert("crates", {"uid": f"{kind}{self._number()}", **self._some(FIELDS)})

    def _new_note(self) -> None:
        uid = self._chance.choice(HOT) if self._chance.random() < 0.5 else f"n{self._number()}"
        if self._row("notes", uid) is None and self._count("notes") < ROWS_MOST:
            values = self._some(self._chance.sample(FIELDS[:4], self._chance.randrange(5)))
            self._insert("notes", {"id": uid, "crate": self._a_crate(), **values})

    def _change(self) -> None:
        table, row = self._any_row()
        if row is not None:
            values = self._some(self._chance.sample(FIELDS[:4], self._chance.randrange(1, 4)))
            if table == "notes" and self._chance.random() < 0.2:
                values["crate"] = self._a_crate()
            setting = ", ".join(f"{name} = ?" for name in values)
            self._db.execute(f"UPDATE {table} SET {setting} WHERE id = ?", (*values.values(), row["id"]))
            self._tell("update", table, row["id"], row[IDENTITY[table]], values, row)

    def _delete(self) -> None:
        table, row = self._any_row()
        if row is not None and not row[IDENTITY[table]].startswith(LASTING):
            self._db.execute(f"DELETE FROM {table} WHERE id = ?", (row["id"],))
            self._tell("delete", table, row["id"], row[IDENTITY[table]], {}, row)

    def _replace(self) -> None:
        """The whole row anew, where there is one by a statement whose deletes fire no triggers."""
        row = self._row("notes", self._chance.choice(HOT))
        if row is not None:
            values = {"crate": row["crate"], **self._some(FIELDS)}
            if self._over == "INSERT":
                self._db.execute("DELETE FROM notes WHERE id = ?", (row["id"],))
            self._db.execute(
                f"{self._over} INTO notes (id, crate, title, body, rank, weight, stamp)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (row["id"], *values.values()),
            )
            self._tell("update", "notes", row["id"], row["id"], values, row)

    def _rename(self) -> None:
        """Another key: a delete and an insert."""
        row = self._row("notes", self._chance.choice(HOT))
        if row is not None:
            uid = f"n{self._number()}"
            self._db.execute("UPDATE notes SET id = ? WHERE id = ?", (uid, row["id"]))
            self._tell("delete", "notes", row["id"], row["id"], {}, row)
            self._tell("insert", "notes", uid, uid, {name: row[name] for name in (*FIELDS, "crate")}, None)

    def _touch(self) -> None:
        """An update that changes nothing."""
        table, row = self._any_row()
        if row is not None:
            self._db.execute(f"UPDATE {table} SET title = title WHERE id = ?", (row["id"],))

    def _insert(self, table: str, values: Row) -> None:
        names = ", ".join(values)
        marks = ", ".join("?" * len(values))
        statement = f"INSERT INTO {table} ({names}) VALUES ({marks}) RETURNING id"
        ((key,),) = self._db.execute(statement, tuple(values.values())).fetchall()
        self._tell("insert", table, key, values[IDENTITY[table]], values, None)

    # ── what they are made of ─────────────────────────────────────────────────────────────────────
    def _some(self, names: Any) -> Row:
        """Values that nobody else ever sets, and the time."""
        values: Row = {}
        for name in FIELDS:
            if name in names:
                number = self._number()
                values[name] = {"rank": number, "weight": number + 0.5}.get(name, f"{name} {number}")
        return {**values, "stamp": time.time_ns() // 1000}

    def _number(self) -> int:
        self._next += 1
        return self._next

    def _any_row(self) -> tuple[str, Row | None]:
        if self._chance.random() < 0.4:
            return "notes", self._row("notes", self._chance.choice(HOT))
        table = self._chance.choice(("crates", "notes", "notes"))
        rows = self._db.execute(f"SELECT id FROM {table} ORDER BY {IDENTITY[table]}").fetchall()
        return table, self._row(table, self._chance.choice(rows)["id"]) if rows else None

    def _row(self, table: str, key: Any) -> Row | None:
        locked = self._locked if table == "notes" else self._locked.replace("UPDATE", "NO KEY UPDATE")
        row = self._db.execute(f"SELECT * FROM {table} WHERE id = ?{locked}", (key,)).fetchone()
        return None if row is None else dict(row)

    def _count(self, table: str) -> int:
        return self._db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]

    def _a_crate(self) -> int | None:
        rows = self._db.execute(f"SELECT id FROM crates WHERE uid LIKE '{LASTING}%' ORDER BY uid").fetchall()
        return self._chance.choice(rows)["id"] if rows and self._chance.random() < 0.8 else None

    def _tell(self, op: str, table: str, key: Any, uid: str, values: Row, before: Row | None) -> None:
        self._journal.write(
            "try",
            tx=self._transaction,
            replica=self._replica,
            table=table,
            op=op,
            key=key,
            uid=uid,
            values=self._told(values),
            before=None if before is None else self._told(before),
        )

    def _told(self, row: Row) -> Row:
        told = plain(row)
        if told.get("crate") is not None:
            found = self._row("crates", told["crate"])
            told["crate"] = found["uid"] if found else f"no crate {told['crate']}"
        return told


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("replica", type=int)
    parser.add_argument("serial", type=int)
    given = parser.parse_args()
    with closing(Editor(given.folder, given.replica, given.serial)) as editor:
        for line in sys.stdin:
            match line.split():
                case ["edit", seed, transactions]:
                    editor.edit(seed, int(transactions))
                case ["say", word]:
                    print(word, flush=True)


if __name__ == "__main__":
    main()
