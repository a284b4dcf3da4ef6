"""The audit log as programs see it: what was done through the dashboard, by whom, and how that ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from windlass.errors import InvalidJob
from windlass.fields import checked_count
from windlass.redact import clean
from windlass.store.audits import AuditEntry
from windlass.store.protocol import Store

_TEXT_MAX = 1_000
_DETAILS_MAX = 8 * 1024


class AuditListing(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the log, newest first."""

    entries: list[AuditEntry]
    next: str | None
    """What to give as ``after`` for the next page; None: this is the last one."""


class AuditManager:
    """Writes and reads the audit log: ``app.audit``. The newest 100,000 entries are kept."""

    def __init__(self, give: Callable[[], Store]) -> None:
        self._give = give

    def record(
        self,
        *,
        who: str,
        action: str,
        subject: str | None = None,
        details: Mapping[str, Any] | None = None,
        outcome: str = "ok",
    ) -> None:
        """Writes an entry: durable when this returns.

        ``action`` is a word such as ``jobs.retry``, ``outcome`` is ``ok`` or an error's code. Texts are
        cleaned of what looks like a secret; ``details`` are kept as they are, up to 8 KiB: leave secrets out.
        """
        text = None if details is None else msgspec.json.encode(details, enc_hook=str).decode()
        if text is not None and len(text.encode()) > _DETAILS_MAX:
            text = msgspec.json.encode({"cut": clean(text, _DETAILS_MAX // 4)}).decode()
        self._give().audit(
            clean(who, _TEXT_MAX),
            clean(action, _TEXT_MAX),
            None if subject is None else clean(subject, _TEXT_MAX),
            text,
            outcome,
        )

    def list(
        self,
        *,
        action: str | None = None,
        who: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> AuditListing:
        """The newest entries, or those of one action or person; ``after`` is ``next`` of the page before.

        Raises:
            InvalidJob: ``after`` is none of ours.
        """
        checked_count("limit", limit)
        if after is not None and not (after.isascii() and after.isdigit() and len(after) <= 18):
            raise InvalidJob(f"expected after to be what a page of the log gave as next, got {after!r:.80}")
        before = None if after is None else int(after)
        found = self._give().audits(before=before, action=action, who=who, limit=limit + 1)
        entries = found[:limit]
        return AuditListing(entries=entries, next=str(entries[-1].id) if len(found) > limit else None)
