"""What ``windlass doctor`` asks of the locks that programs on a PostgreSQL server take turns by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from windlass.cli.findings import Finding, note
from windlass.store.postgres.locks import NOTE

if TYPE_CHECKING:
    from windlass.store.postgres.store import PostgresStore


def locks(store: PostgresStore) -> Iterator[Finding]:
    """Does this program's URL ask for other locks than the database's programs take?"""
    noted, wanted = store.database.locks.noted(), store.database.location.hints
    if noted is None or noted == wanted:
        return
    kind = "advisory ones" if noted else "those of rows"
    yield note(
        "locks",
        f"the first program noted that locks here are {kind}: so are this one's, and windlass_hints="
        f"{'on' if wanted else 'off'} only decides whether it listens",
        f"nothing, where they work; else end all programs, and remove {NOTE!r} from windlass_meta",
    )
