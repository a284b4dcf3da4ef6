"""Sync: local edits are pushed in order, remote changes are pulled in, conflicts are shown.

The values are in ``windlass/change.py``; ``merge.py`` and ``reconcile.py`` are the logic, without a
database; ``push.py`` and ``pull.py`` walk through the cycle; ``remote.py`` says what the other side must do,
and ``rest.py`` does it over HTTP. ``store/ledger.py`` is the contract with the database. Promises kept here:

* P2: a change is sealed, with its mutation id, in a commit before it is sent, and resent as it was.
* P3: only a definite answer of the remote settles a change.
* P4, P5: order holds for each row alone; an edit made while its row is sent stays queued.
* P6: what is not the server's answer counts no attempt.
* L1: a page and the cursor behind it are one commit.
* L2: a pull puts pending columns on top of what it brings.

The names below are what programs import to describe a remote, at their first use as those of ``windlass``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from windlass.change import Change, Conflict
    from windlass.store.ledger import Quarantined
    from windlass.sync.auth import (
        Auth,
        basic,
        bearer,
        custom,
        oauth2_client_credentials,
        oauth2_refresh,
    )
    from windlass.sync.cursors import (
        Cursor,
        Serial,
        Since,
        Timestamp,
        Token,
    )
    from windlass.sync.handle import Resource
    from windlass.sync.http import Limits, Timeouts, Transport
    from windlass.sync.kinto import KintoRemote
    from windlass.sync.manager import SyncManager
    from windlass.sync.paginate import (
        ContentRange,
        Keyset,
        LinkHeader,
        NextCursor,
        NextLink,
        Offset,
        OnePage,
        PageNumber,
        PageStyle,
        Turn,
    )
    from windlass.sync.places import (
        Condition,
        ETag,
        Field,
        Header,
        Place,
        Told,
        Version,
    )
    from windlass.sync.postgrest import PostgrestRemote
    from windlass.sync.pulled import Pulled
    from windlass.sync.push import Pushed
    from windlass.sync.remote import (
        Accepted,
        Ask,
        Document,
        Faulty,
        Gone,
        Outgoing,
        Page,
        Rejected,
        Remote,
        Stale,
        Undelivered,
        Verdict,
    )
    from windlass.sync.reply import Headers, Reply
    from windlass.sync.resource import Live
    from windlass.sync.rest import RestRemote
    from windlass.sync.secrets import Secret, env, keyring, secret
    from windlass.sync.sending import Batch, Request
    from windlass.sync.status import Status
    from windlass.sync.stream import Stream
    from windlass.sync.views import DeadLetter, OpenConflict, PendingChange

__all__ = [
    "Accepted",
    "Ask",
    "Auth",
    "Batch",
    "Change",
    "Condition",
    "Conflict",
    "ContentRange",
    "Cursor",
    "DeadLetter",
    "Document",
    "ETag",
    "Faulty",
    "Field",
    "Gone",
    "Header",
    "Headers",
    "Keyset",
    "KintoRemote",
    "Limits",
    "LinkHeader",
    "Live",
    "NextCursor",
    "NextLink",
    "Offset",
    "OnePage",
    "OpenConflict",
    "Outgoing",
    "Page",
    "PageNumber",
    "PageStyle",
    "PendingChange",
    "Place",
    "PostgrestRemote",
    "Pulled",
    "Pushed",
    "Quarantined",
    "Rejected",
    "Remote",
    "Reply",
    "Request",
    "Resource",
    "RestRemote",
    "Secret",
    "Serial",
    "Since",
    "Stale",
    "Status",
    "Stream",
    "SyncManager",
    "Timeouts",
    "Timestamp",
    "Token",
    "Told",
    "Transport",
    "Turn",
    "Undelivered",
    "Verdict",
    "Version",
    "basic",
    "bearer",
    "custom",
    "env",
    "keyring",
    "oauth2_client_credentials",
    "oauth2_refresh",
    "secret",
]

_HOMES = {
    "Accepted": "sync.remote",
    "Ask": "sync.remote",
    "Auth": "sync.auth",
    "Batch": "sync.sending",
    "Change": "change",
    "Condition": "sync.places",
    "Conflict": "change",
    "ContentRange": "sync.paginate",
    "Cursor": "sync.cursors",
    "DeadLetter": "sync.views",
    "Document": "sync.remote",
    "ETag": "sync.places",
    "Faulty": "sync.remote",
    "Field": "sync.places",
    "Gone": "sync.remote",
    "Header": "sync.places",
    "Headers": "sync.reply",
    "Keyset": "sync.paginate",
    "KintoRemote": "sync.kinto",
    "Limits": "sync.http",
    "LinkHeader": "sync.paginate",
    "Live": "sync.resource",
    "NextCursor": "sync.paginate",
    "NextLink": "sync.paginate",
    "Offset": "sync.paginate",
    "OnePage": "sync.paginate",
    "OpenConflict": "sync.views",
    "Outgoing": "sync.remote",
    "Page": "sync.remote",
    "PageNumber": "sync.paginate",
    "PageStyle": "sync.paginate",
    "PendingChange": "sync.views",
    "Place": "sync.places",
    "PostgrestRemote": "sync.postgrest",
    "Pulled": "sync.pulled",
    "Pushed": "sync.push",
    "Quarantined": "store.ledger",
    "Rejected": "sync.remote",
    "Remote": "sync.remote",
    "Reply": "sync.reply",
    "Request": "sync.sending",
    "Resource": "sync.handle",
    "RestRemote": "sync.rest",
    "Secret": "sync.secrets",
    "Serial": "sync.cursors",
    "Since": "sync.cursors",
    "Stale": "sync.remote",
    "Status": "sync.status",
    "Stream": "sync.stream",
    "SyncManager": "sync.manager",
    "Timeouts": "sync.http",
    "Timestamp": "sync.cursors",
    "Token": "sync.cursors",
    "Told": "sync.places",
    "Transport": "sync.http",
    "Turn": "sync.paginate",
    "Undelivered": "sync.remote",
    "Verdict": "sync.remote",
    "Version": "sync.places",
    "basic": "sync.auth",
    "bearer": "sync.auth",
    "custom": "sync.auth",
    "env": "sync.secrets",
    "keyring": "sync.secrets",
    "oauth2_client_credentials": "sync.auth",
    "oauth2_refresh": "sync.auth",
    "secret": "sync.secrets",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"windlass.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
