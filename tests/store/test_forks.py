"""A fork after the database was opened: SQLite's locks do not survive it, so the child must not pretend."""

from __future__ import annotations

import os
from pathlib import Path

from tests.store.conformance.steps import add
from tests.store.test_log import ids
from windlass.errors import StoreError
from windlass.store.sqlite.store import SqliteStore


def test_a_store_is_refused_in_a_forked_child_and_its_parent_goes_on(store: SqliteStore, path: Path) -> None:
    add(store)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            told: list[str] = []
            for use in (lambda: add(store), lambda: store.get(1), store.version, store.connect):
                try:
                    use()
                except StoreError as error:
                    told.append(str(error).partition(",")[0])
            store.close()
            os.write(writer, repr(set(told)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    told = os.read(reader, 4096).decode()
    os.close(reader)
    assert told == "{'this process was forked after its Windlass had opened the database'}"
    assert add(store) == 2
    assert ids(store) == {1, 2}


def test_a_new_store_in_a_forked_child_works(store: SqliteStore, path: Path) -> None:
    add(store)
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(add(SqliteStore(path)))
        finally:
            os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2
    assert add(store) == 3
