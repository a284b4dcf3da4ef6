"""What the good server keeps: collections of documents with versions, tombstones and remembered keys.

Every write takes the next number of one sequence as its version. No HTTP here: ``store.py`` speaks it.
"""

from __future__ import annotations

import json
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

Document = dict[str, Any]
Check = Callable[[str, Document], str | None]


class Effect(NamedTuple):
    """One write that took effect."""

    version: int
    collection: str
    id: str
    op: str
    """``put``, ``patch``, ``create`` or ``delete``; ``edit`` where no request did it."""
    key: str | None
    """Its Idempotency-Key."""


class Stored(NamedTuple):
    """One document; a tombstone where ``fields`` is None."""

    id: str
    version: int
    fields: Document | None

    def shown(self) -> Document:
        """As it is sent: with id and version."""
        if self.fields is None:
            return {"id": self.id, "version": self.version, "deleted": True}
        return {"id": self.id, **self.fields, "version": self.version}


class Slice(NamedTuple):
    """Part of a collection, in the order of its versions."""

    documents: list[Stored]
    after: int | None
    """Where the next part begins; None: this is the last."""


class Shelf:
    """Collections by name; made when they are first spoken of. Any thread may use it."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        """Notified at each write; holds whatever is read or written."""
        self.version = 0
        self.effects: list[Effect] = []
        self.checks: list[Check] = []
        """Each is given collection and document; its text is why that is rejected."""
        self.oldest = 0
        """Changes since anything older than this can no longer be told."""
        self._collections: dict[str, dict[str, Stored]] = {}
        self._order: dict[str, list[tuple[int, str]]] = {}
        """Version and id of every write, by collection."""
        self._answers: dict[str, tuple[str, Any]] = {}
        self._made = 0

    # ── for whoever owns the server ────────────────────────────────────────────────────────────────
    def documents(self, collection: str) -> dict[str, Document]:
        """What lives, by id, without versions."""
        with self.changed:
            kept = self._collections.get(collection, {})
            return {one.id: dict(one.fields) for one in kept.values() if one.fields is not None}

    def fill(self, collection: str, documents: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Many documents at once."""
        with self.changed:
            for id_, fields in documents:
                self.write(collection, id_, dict(fields), "edit")

    def edit(self, collection: str, id_: str, **fields: Any) -> int:
        """Changes fields of a document, or makes it, as somebody else would; its new version."""
        with self.changed:
            found = self.find(collection, id_)
            before = found.fields if found and found.fields else {}
            return self.write(collection, id_, {**before, **fields}, "edit").version

    def remove(self, collection: str, id_: str) -> int:
        """Deletes a document, as somebody else would; its tombstone's version."""
        with self.changed:
            return self.write(collection, id_, None, "edit").version

    def forget(self, collection: str) -> None:
        """Drops the tombstones, and with them every cursor before now."""
        with self.changed:
            kept = self._collections.get(collection, {})
            self._collections[collection] = {id_: one for id_, one in kept.items() if one.fields is not None}
            self.oldest = self.version

    def effects_of(self, key: str) -> list[Effect]:
        """What was done for one Idempotency-Key: more than one is a duplicate."""
        return [one for one in self.effects if one.key == key]

    # ── for the server; the caller holds ``changed`` ──────────────────────────────────────────────
    def find(self, collection: str, id_: str) -> Stored | None:
        """A document or a tombstone; None where there never was one."""
        return self._collections.get(collection, {}).get(id_)

    def slice(self, collection: str, *, after: int, until: int, limit: int, tombstones: bool) -> Slice:
        """The documents whose version is above ``after`` and at most ``until``."""
        found: list[Stored] = []
        kept, order = self._collections.get(collection, {}), self._order.get(collection, [])
        for index in range(bisect_right(order, (after, "\U0010ffff")), len(order)):
            version, id_ = order[index]
            if version > until:
                break
            one = kept.get(id_)
            # One that was written again stands at its new version.
            if one is not None and one.version == version and (tombstones or one.fields is not None):
                if len(found) == limit:
                    return Slice(found, found[-1].version)
                found.append(one)
        return Slice(found, None)

    def version_of(self, collection: str) -> int:
        """Of the collection's last write."""
        return self._order[collection][-1][0] if self._order.get(collection) else 0

    def new_id(self) -> str:
        """An id of the server's own making."""
        self._made += 1
        return f"s{self._made}"

    def write(
        self, collection: str, id_: str, fields: Document | None, op: str, key: str | None = None
    ) -> Stored:
        """One more write; a tombstone where ``fields`` is None."""
        self.version += 1
        stored = Stored(id_, self.version, fields)
        self._collections.setdefault(collection, {})[id_] = stored
        self._order.setdefault(collection, []).append((self.version, id_))
        self.effects.append(Effect(self.version, collection, id_, op, key))
        self.changed.notify_all()
        return stored

    def rejection(self, collection: str, fields: Document) -> str | None:
        """Why a document is not taken; None: it is."""
        return next((why for check in self.checks if (why := check(collection, fields))), None)

    def remembered(self, key: str, what: str) -> Any:
        """The answer that was given for a key; None: none yet, ValueError: it was for something else."""
        if key not in self._answers:
            return None
        before, answer = self._answers[key]
        if before != what:
            raise ValueError(key)
        return answer

    def remember(self, key: str, what: str, answer: Any) -> None:
        """The answer that this key is given from now on."""
        self._answers[key] = (what, answer)


def encoded(document: Any) -> bytes:
    """As JSON without blanks."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
