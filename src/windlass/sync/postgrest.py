"""PostgREST, and Supabase with it: filters in the query, wishes in ``Prefer``, versions in a column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from windlass.sync.cursors import Timestamp, checked_parameter
from windlass.sync.paginate import Turn
from windlass.sync.places import Condition, Field, FieldVersion, Header, Told, rows_of, text_of
from windlass.sync.remote import Outgoing, Stale, Verdict
from windlass.sync.reply import Reply
from windlass.sync.rest import RestRemote
from windlass.sync.sending import Request

_ONE = "application/vnd.pgrst.object+json"
_NONE = 406  # one row was asked for, and there is none


class PostgrestRemote(RestRemote):
    """A table of a PostgREST server, with ids that are made here.

    ``updated`` is a column that a trigger sets to the time of each change: it is cursor, order and version.
    ``deleted`` is a column that is not empty in rows that count as deleted; without it only a full pull finds
    deletions (``cursor=None``). ``merge=True`` lets an insert overwrite a row that has its id.

    >>> PostgrestRemote("https://api.example.com/tasks").parameters
    {'order': 'updated_at.asc,id.asc'}
    """

    def __init__(
        self,
        url: str,
        *,
        id: str = "id",
        updated: str = "updated_at",
        deleted: str | None = None,
        merge: bool = False,
        **settings: Any,
    ) -> None:
        prefer = f"return=representation,resolution={'merge' if merge else 'ignore'}-duplicates"
        own: dict[str, Any] = {
            "id": checked_parameter(id),
            "cursor": Timestamp(parameter=updated, field=updated, format="gte.{}"),
            "page": After((updated, id)),
            "parameters": {"order": f"{updated}.asc,{id}.asc"},
            "limit_parameter": "limit",
            "version": Unmoved(Field(updated)),
            "deleted": None if deleted is None else Field(deleted),
            "item": f"?{id}=eq.{{id}}",
            "total": Header("Content-Range"),
            # A duplicate of the key itself is told by a missing row; these are other constraints.
            "statuses": {_NONE: "gone", 403: "rejected", 409: "rejected"},
            "item_headers": {"Accept": _ONE, "Prefer": prefer},
            "envelope": Bulk(id),
        }
        super().__init__(url, **own | settings)
        object.__setattr__(self, "_updated", updated)

    _updated: str

    def wrapped(self, body: Mapping[str, Any]) -> dict[str, Any]:
        # The server's clock sets the time of a change, never ours.
        return {name: value for name, value in body.items() if name != self._updated}

    def verdict(self, change: Outgoing, reply: Reply) -> Verdict:
        # No row with that id and that version: which of them it was, its row tells.
        return Stale() if reply.status == _NONE else super().verdict(change, reply)


class After(msgspec.Struct, frozen=True):
    """What comes after the last row, by the columns that sort the rows; the last of them tells rows apart."""

    columns: tuple[str, str]

    def ask(self, page: str | None, limit: int) -> Turn:  # noqa: ARG002 - the protocol's
        if page is None:
            return Turn()
        time, key = self.columns
        at, after = map(_quoted, msgspec.json.decode(page))
        return Turn(params={"or": f"({time}.gt.{at},and({time}.eq.{at},{key}.gt.{after}))"})

    def next(self, told: Told) -> str | None:
        if not told.rows or told.total == len(told.rows):
            return None
        return msgspec.json.encode([text_of(Field(name).of(told.rows[-1])) for name in self.columns]).decode()


class Unmoved(FieldVersion, frozen=True):
    """A version that is a column: a write finds its row only while that is unchanged."""

    def condition(self, version: str) -> Condition:
        return Condition(params={self.field.path: f"eq.{version}"})


class Bulk(msgspec.Struct, frozen=True):
    """Inserts with the same columns are one insert of several rows: all of them go in, or none."""

    id: str
    size: int = 100

    def kind(self, request: Request) -> tuple[str, ...] | None:
        return (request.url, *sorted(request.json)) if request.method == "POST" and request.json else None

    def envelope(self, requests: Sequence[Request]) -> Request:
        headers = {**requests[0].headers, "Accept": "application/json"}
        return replace(requests[0], headers=headers, json=[request.json for request in requests])

    def replies(self, reply: Reply, requests: Sequence[Request]) -> list[Reply]:
        made = {text_of(row.get(self.id)): row for row in rows_of(reply, None)}
        told = [made.get(text_of(request.json.get(self.id))) for request in requests]
        return [Reply(_NONE) if row is None else Reply(201, {}, msgspec.json.encode(row)) for row in told]


def _quoted(value: Any) -> str:
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
