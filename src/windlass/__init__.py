"""Windlass: durable background jobs and offline-first sync in one SQLite file.

The names below are imported at their first use, so that ``import windlass`` and the command line start fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from windlass.version import VERSION as __version__  # noqa: N811 - the name that every package has

if TYPE_CHECKING:
    from windlass.app import Windlass, freeze_support
    from windlass.backoff import Backoff
    from windlass.client import JobFunction
    from windlass.constraints import Constraints
    from windlass.context import Context, Results, Service
    from windlass.errors import (
        AlreadyRunning,
        BadResponse,
        ConfigError,
        CursorExpired,
        InvalidDocument,
        InvalidJob,
        InvalidPayload,
        LostHold,
        NewerSchema,
        NotRunning,
        Offline,
        OutcomeUnknown,
        PageTooLarge,
        RegistrationError,
        RemoteError,
        RemoteFault,
        RequestRefused,
        ResourceBusy,
        ServiceError,
        StaleAttempt,
        StartFailed,
        StoreError,
        StoreUnavailable,
        SweepRefused,
        SyncError,
        Throttled,
        TransactionTooLong,
        Unauthorized,
        UnsafeDatabase,
        WindlassError,
    )
    from windlass.events import (
        ConflictWaiting,
        Event,
        HeldBack,
        JobFailed,
        NotifyTest,
        SyncFailed,
        SyncFailing,
        SyncRecovered,
    )
    from windlass.flow import Flow, chain, group
    from windlass.job import (
        Attempt,
        Job,
        JobStatus,
        Progress,
        Why,
    )
    from windlass.jobs import JobManager
    from windlass.notify.channels import Channel
    from windlass.notify.status import Status
    from windlass.notify.webhook import WebhookChannel
    from windlass.outcome import Cancel, PermanentError, Retry, Snooze
    from windlass.store.flows import Tally
    from windlass.sync.merge import latest, merge
    from windlass.sync.rest import RestRemote
    from windlass.sync.telling import Postponed
    from windlass.sync.views import SyncOperation
    from windlass.worker.hooks import FailedAttempt

__all__ = [
    "AlreadyRunning",
    "Attempt",
    "Backoff",
    "BadResponse",
    "Cancel",
    "Channel",
    "ConfigError",
    "ConflictWaiting",
    "Constraints",
    "Context",
    "CursorExpired",
    "Event",
    "FailedAttempt",
    "Flow",
    "HeldBack",
    "InvalidDocument",
    "InvalidJob",
    "InvalidPayload",
    "Job",
    "JobFailed",
    "JobFunction",
    "JobManager",
    "JobStatus",
    "LostHold",
    "NewerSchema",
    "NotRunning",
    "NotifyTest",
    "Offline",
    "OutcomeUnknown",
    "PageTooLarge",
    "PermanentError",
    "Postponed",
    "Progress",
    "RegistrationError",
    "RemoteError",
    "RemoteFault",
    "RequestRefused",
    "ResourceBusy",
    "RestRemote",
    "Results",
    "Retry",
    "Service",
    "ServiceError",
    "Snooze",
    "StaleAttempt",
    "StartFailed",
    "Status",
    "StoreError",
    "StoreUnavailable",
    "SweepRefused",
    "SyncError",
    "SyncFailed",
    "SyncFailing",
    "SyncOperation",
    "SyncRecovered",
    "Tally",
    "Throttled",
    "TransactionTooLong",
    "Unauthorized",
    "UnsafeDatabase",
    "WebhookChannel",
    "Why",
    "Windlass",
    "WindlassError",
    "__version__",
    "chain",
    "freeze_support",
    "group",
    "latest",
    "merge",
]

_HOMES = {
    "AlreadyRunning": "errors",
    "Attempt": "job",
    "Backoff": "backoff",
    "BadResponse": "errors",
    "Cancel": "outcome",
    "Channel": "notify.channels",
    "ConfigError": "errors",
    "ConflictWaiting": "events",
    "Constraints": "constraints",
    "Context": "context",
    "CursorExpired": "errors",
    "Event": "events",
    "FailedAttempt": "worker.hooks",
    "Flow": "flow",
    "HeldBack": "events",
    "InvalidDocument": "errors",
    "InvalidJob": "errors",
    "InvalidPayload": "errors",
    "Job": "job",
    "JobFailed": "events",
    "JobFunction": "client",
    "JobManager": "jobs",
    "JobStatus": "job",
    "LostHold": "errors",
    "NewerSchema": "errors",
    "NotRunning": "errors",
    "NotifyTest": "events",
    "Offline": "errors",
    "OutcomeUnknown": "errors",
    "PageTooLarge": "errors",
    "PermanentError": "outcome",
    "Postponed": "sync.telling",
    "Progress": "job",
    "RegistrationError": "errors",
    "RemoteError": "errors",
    "RemoteFault": "errors",
    "RequestRefused": "errors",
    "ResourceBusy": "errors",
    "RestRemote": "sync.rest",
    "Results": "context",
    "Retry": "outcome",
    "Service": "context",
    "ServiceError": "errors",
    "Snooze": "outcome",
    "StaleAttempt": "errors",
    "StartFailed": "errors",
    "Status": "notify.status",
    "StoreError": "errors",
    "StoreUnavailable": "errors",
    "SweepRefused": "errors",
    "SyncError": "errors",
    "SyncFailed": "events",
    "SyncFailing": "events",
    "SyncOperation": "sync.views",
    "SyncRecovered": "events",
    "Tally": "store.flows",
    "Throttled": "errors",
    "TransactionTooLong": "errors",
    "Unauthorized": "errors",
    "UnsafeDatabase": "errors",
    "WebhookChannel": "notify.webhook",
    "Why": "job",
    "Windlass": "app",
    "WindlassError": "errors",
    "chain": "flow",
    "freeze_support": "app",
    "group": "flow",
    "latest": "sync.merge",
    "merge": "sync.merge",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"windlass.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
