"""Changes as the cycle would send them, and whole pulls."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from windlass.sync.remote import Ask, Document, Outgoing, Page, Remote

_numbers = itertools.count(1)


def insert(remote_id: str | None, /, **document: Any) -> Outgoing:
    if remote_id is not None:  # ids that are made here are columns, and are sent
        document = {"id": remote_id, **document}
    return _change("insert", remote_id, document, document)


def update(remote_id: str, version: str | None, changed: Mapping[str, Any], /, **rest: Any) -> Outgoing:
    return _change("update", remote_id, changed, {**rest, **changed}, version)


def delete(remote_id: str, version: str | None = None, /) -> Outgoing:
    return _change("delete", remote_id, {}, {}, version)


def _change(
    op: str,
    remote_id: str | None,
    changed: Mapping[str, Any],
    document: Mapping[str, Any],
    version: str | None = None,
) -> Outgoing:
    key = remote_id or f"local-{next(_numbers)}"
    return Outgoing(key, op, f"mutation-{next(_numbers)}", remote_id, changed, document, version)


def pages(remote: Remote, cursor: str | None = None, *, limit: int = 100) -> list[Page]:
    """All pages of one pull."""
    found = [remote.pull(Ask(cursor, None, None, limit))]
    while found[-1].next_page is not None:
        found.append(remote.pull(Ask(cursor, found[-1].next_page, None, limit)))
        assert len(found) < 100, "the pages have no end"
    return found


def watermark(told: list[Page]) -> str | None:
    """What the cycle takes for its next cursor."""
    return [page.watermark for page in told if page.watermark is not None][-1]


def documents(told: list[Page]) -> dict[str, Document]:
    """The last word of each row."""
    return {one.remote_id: one for page in told for one in page.documents}
