"""What ``windlass doctor`` asks of the tables that are synced, without the program that declares them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from windlass.cli.findings import Finding, note, ok, problem, warning
from windlass.redact import printable
from windlass.store.ledger import LOST

if TYPE_CHECKING:
    from windlass.store.sqlite.store import SqliteStore


def resources(store: SqliteStore) -> Iterator[Finding]:
    """Is every edit captured, and does anything wait for a person?"""
    for name in store.ledger.resources():
        yield from _of(store, name)


def _of(store: SqliteStore, name: str) -> Iterator[Finding]:
    check, ledger = f"sync {name}", store.ledger
    counts = ledger.counts(name)
    faults = ledger.faults(name)
    for fault in faults:
        yield problem(
            check,
            printable(fault),
            "say what is right: nothing is synced before"
            if fault == ledger.notes(name).get(LOST)
            else "start the program's service: it mends the capture, and finds what was changed meanwhile",
        )
    if counts.failed:
        yield warning(check, f"{counts.failed:,} changes were rejected", f"windlass sync dead {name}")
    if counts.conflicts:
        yield warning(
            check, f"{counts.conflicts:,} conflicts wait for a person", f"windlass sync conflicts {name}"
        )
    if counts.quarantined:
        yield warning(
            check,
            f"{counts.quarantined:,} rows of the remote could not be written here",
            f"windlass sync quarantine {name}",
        )
    if refused := ledger.notes(name).get("sweep_refused"):
        yield warning(check, printable(str(refused)), f"windlass sync status {name}")
    if ledger.is_paused(name):
        yield note(check, f"paused, {counts.pending:,} changes wait", f"windlass sync resume {name}")
    if not faults:
        yield ok(check, f"captured; {counts.rows:,} rows, {counts.pending:,} changes on their way")
