"""What a page brings, made into rows: mapped, with their keys, and with references as they are known here.

What cannot be made a row is quarantined with the reason, and holds up nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from windlass.change import Key, RemoteRow, Standing
from windlass.spelling import spelling_of
from windlass.store.ledger import Quarantined
from windlass.sync.cycle import Cycle
from windlass.sync.mapping import Mapper, Unmappable
from windlass.sync.reconcile import is_new
from windlass.sync.remote import Document

ID_TAKEN = "its id"
"""How the reason begins for a row whose id is kept here as the key of another row."""
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
    return list(rows.values()), quarantined(documents, bad, now_us)


def quarantined(documents: Sequence[Document], bad: Mapping[str, str], now_us: int) -> list[Quarantined]:
    """What is listed of those that cannot be written here; ``bad``: the reasons by remote id."""
    told = {one.remote_id: one.document for one in documents} if bad else {}
    return [
        Quarantined(
            remote_id=remote_id,
            document=msgspec.json.encode(told[remote_id]).decode(),
            reason=reason,
            seen_at_us=now_us,
        )
        for remote_id, reason in bad.items()
    ]


def apart(
    cycle: Cycle, rows: Sequence[RemoteRow], standings: Mapping[str, Standing]
) -> tuple[Sequence[RemoteRow], dict[str, str]]:
    """The rows that have a key of their own here, and of the others that are there the reasons, by id."""
    odd = _namesakes(cycle.mapper, rows, standings) if cycle.settings.ids == "client" else None
    if not odd:
        return rows, {}
    # That one of them is deleted there says nothing of the row whose key it would be.
    there = [row.remote_id for row in rows if row.row is not None]
    return [row for row in rows if row.remote_id not in odd], {one: odd[one] for one in there if one in odd}


def _namesakes(
    mapper: Mapper, rows: Sequence[RemoteRow], standings: Mapping[str, Standing]
) -> dict[str, str]:
    """Rows of the remote whose id the table keeps as the key of another row: the reasons, by remote id.

    A column of integers makes 7 of "7" and of "007", which are two rows there. The key is that row's which
    has it here already, or else of the one whose id is spelled so, or else of the first.
    """
    keys = {standing.key for standing in standings.values()}
    if len(keys) == len(standings) and all(map(_is_its_own, standings, standings.values())):
        return {}
    key_of = {row.remote_id: standings[row.remote_id].key for row in rows}
    owners = {one.key: _owner(one) for one in standings.values() if not is_new(one)}
    for row in rows:
        if row.row is None and owners.get(key_of[row.remote_id]) == row.remote_id:
            # It goes, and its claim with it.
            del owners[key_of[row.remote_id]]
    for row in sorted(rows, key=lambda row: row.remote_id != str(key_of[row.remote_id])):
        if row.row is not None:
            owners.setdefault(key_of[row.remote_id], row.remote_id)
    found: dict[str, str] = {}
    for remote_id, key in key_of.items():
        owner = owners.get(key, remote_id)
        if _meant(mapper, owner) != _meant(mapper, remote_id) and _spells(mapper, remote_id, key):
            found[remote_id] = (
                f"{ID_TAKEN} {remote_id!r:.80} is kept here as {key!r:.80}, which is the key of the row that "
                f"the remote calls {owner!r:.80}"
            )
    return found


def _owner(standing: Standing) -> str:
    """The id of the row that has the key."""
    shadow = standing.shadow
    return str(standing.key) if shadow is None or shadow.remote_id is None else shadow.remote_id


def _is_its_own(remote_id: str, standing: Standing) -> bool:
    return is_new(standing) or _owner(standing) == remote_id


def _spells(mapper: Mapper, remote_id: str, key: Key) -> bool:
    try:
        return mapper.key_of(remote_id) == key
    except Unmappable:
        return False


def _meant(mapper: Mapper, remote_id: str) -> Any:
    """What spellings of one id have in common: capitals in a UUID say nothing, zeros before a number do."""
    columns = {one.name: one for one in mapper.table.columns}
    spells = [spelling_of(columns[name]) or _as_it_is for name in mapper.table.key]
    if mapper.only_key is not None:
        return spells[0](remote_id)
    try:
        parts = msgspec.json.decode(remote_id, type=list[Any])
    except (msgspec.DecodeError, UnicodeEncodeError):
        return remote_id
    return [spell(one) if isinstance(one, str) else one for spell, one in zip(spells, parts, strict=False)]


def _as_it_is(text: str) -> str:
    return text


def in_our_words(
    mapper: Mapper, rows: Sequence[RemoteRow], standings: Mapping[str, Standing]
) -> Sequence[RemoteRow]:
    """The rows with JSON spelled as it is here, where it means the same; ``standings`` by remote id."""
    if not mapper.json:
        return rows
    found: list[RemoteRow] = []
    for row in rows:
        if (standing := standings.get(row.remote_id)) is not None:
            shadow, sent = standing.shadow, standing.sent
            known = None if shadow is None else shadow.row
            row = mapper.in_words_of(row, known, None if sent is None else sent.data, standing.row)
        found.append(row)
    return found


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
