"""What a page brings, made into rows: mapped, with their keys, and with references as they are known here.

What cannot be made a row is quarantined with the reason, and holds up nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from windlass.change import RemoteRow
from windlass.store.ledger import Quarantined
from windlass.sync.cycle import Cycle
from windlass.sync.mapping import Mapper, Unmappable
from windlass.sync.remote import Document

ORPHAN = "waits for its parent: "
"""How the reason begins for a row that refers to one which is not here yet."""


def arrived(
    cycle: Cycle, documents: Sequence[Document], now_us: int
) -> tuple[list[RemoteRow], list[Quarantined]]:
    """The rows of these documents, and what could not be made one."""
    mapper, keyed = cycle.mapper, cycle.settings.ids == "client"
    rows, bad = _at_once(mapper, documents, keyed=keyed), dict[str, str]()
    if rows is None:
        rows, bad = _one_by_one(mapper, documents, keyed=keyed)
    _refer(cycle, rows, bad)
    told = {one.remote_id: one.document for one in documents} if bad else {}
    quarantined = [
        Quarantined(
            remote_id=remote_id,
            document=msgspec.json.encode(told[remote_id]).decode(),
            reason=reason,
            seen_at_us=now_us,
        )
        for remote_id, reason in bad.items()
    ]
    return list(rows.values()), quarantined


def _at_once(mapper: Mapper, documents: Sequence[Document], *, keyed: bool) -> dict[str, RemoteRow] | None:
    """``_one_by_one`` for a page of which nothing is odd: each row is told once, fits, and has its key.

    Otherwise None.
    """
    found = mapper.rows(documents)
    if found is None or (keyed and not mapper.have_keys(found)):
        return None
    rows = {one.remote_id: one for one in found}
    return rows if len(rows) == len(found) else None


def _one_by_one(
    mapper: Mapper, documents: Sequence[Document], *, keyed: bool
) -> tuple[dict[str, RemoteRow], dict[str, str]]:
    rows: dict[str, RemoteRow] = {}
    bad: dict[str, str] = {}
    for document in documents:
        remote_id = document.remote_id
        if remote_id in rows or remote_id in bad:
            # The last word counts where a page tells a row twice.
            rows.pop(remote_id, None)
            bad.pop(remote_id, None)
        try:
            row = mapper.row(document)
            rows[remote_id] = _keyed(mapper, row) if keyed else row
        except Unmappable as error:
            bad[remote_id] = str(error)
    return rows, bad


def _keyed(mapper: Mapper, row: RemoteRow) -> RemoteRow:
    if row.row is None:
        mapper.key_of(row.remote_id)
        return row
    keyed = mapper.with_key(row.row, mapper.key(row))
    return row if keyed is row.row else row._replace(row=keyed)


def _refer(cycle: Cycle, rows: dict[str, RemoteRow], bad: dict[str, str]) -> None:
    """Parents' remote ids become local keys; a row whose parent is not here yet waits for it."""
    references = [one for one in cycle.parents if one.server_ids]
    if not references:
        return
    known = cycle.local_form(row.row for row in rows.values() if row.row is not None)
    for remote_id, row in list(rows.items()):
        if row.row is None:
            continue
        changed: dict[str, Any] = dict(row.row)
        for reference in references:
            value = changed.get(reference.column)
            if value is None:
                continue
            if value not in known[reference.column]:
                bad[remote_id] = (
                    f"{ORPHAN}{reference.column} is {value!r:.80}, which {reference.resource} lacks"
                )
                del rows[remote_id]
                break
            changed[reference.column] = known[reference.column][value]
        else:
            rows[remote_id] = row._replace(row=changed)
