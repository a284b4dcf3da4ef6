"""What was done, by whom, and how it ended."""

from __future__ import annotations

from shlex import quote

import msgspec

from windlass.web.redacting import shown
from windlass.web.routing import Call, Routes
from windlass.web.shapes.system import AuditEntry, AuditPage, AuditQuery

routes = Routes("audit")


@routes.get("/api/audit")
def every(call: Call, query: AuditQuery) -> AuditPage:
    """The actions done through the dashboard, newest first."""
    found = call.app.audit.list(action=query.action, who=query.who, limit=query.limit, after=query.after)
    entries = [
        AuditEntry(**(msgspec.structs.asdict(entry) | {"details": shown(entry.details)}))
        for entry in found.entries
    ]
    words = ["windlass audit"]
    words += [f"--action {quote(query.action)}"] if query.action else []
    words += [f"--who {quote(query.who)}"] if query.who else []
    return AuditPage(entries=entries, next=found.next, command=" ".join(words))
