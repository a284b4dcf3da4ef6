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
    from windlass.context import Context, Service
    from windlass.errors import (
        AlreadyRunning,
        ConfigError,
        InvalidJob,
        InvalidPayload,
        NewerSchema,
        NotRunning,
        OutcomeUnknown,
        RegistrationError,
        ServiceError,
        StaleAttempt,
        StartFailed,
        StoreError,
        StoreUnavailable,
        TransactionTooLong,
        UnsafeDatabase,
        WindlassError,
    )
    from windlass.events import (
        ConflictWaiting,
        Event,
        JobFailed,
        SyncFailed,
        SyncFailing,
        SyncRecovered,
    )
    from windlass.job import Attempt, Job, JobStatus, Progress, Why
    from windlass.jobs import JobManager
    from windlass.outcome import Cancel, PermanentError, Retry, Snooze

__all__ = [
    "AlreadyRunning",
    "Attempt",
    "Backoff",
    "Cancel",
    "ConfigError",
    "ConflictWaiting",
    "Context",
    "Event",
    "InvalidJob",
    "InvalidPayload",
    "Job",
    "JobFailed",
    "JobFunction",
    "JobManager",
    "JobStatus",
    "NewerSchema",
    "NotRunning",
    "OutcomeUnknown",
    "PermanentError",
    "Progress",
    "RegistrationError",
    "Retry",
    "Service",
    "ServiceError",
    "Snooze",
    "StaleAttempt",
    "StartFailed",
    "StoreError",
    "StoreUnavailable",
    "SyncFailed",
    "SyncFailing",
    "SyncRecovered",
    "TransactionTooLong",
    "UnsafeDatabase",
    "Why",
    "Windlass",
    "WindlassError",
    "__version__",
    "freeze_support",
]

_HOMES = {
    "AlreadyRunning": "errors",
    "Attempt": "job",
    "Backoff": "backoff",
    "Cancel": "outcome",
    "ConfigError": "errors",
    "ConflictWaiting": "events",
    "Context": "context",
    "Event": "events",
    "InvalidJob": "errors",
    "InvalidPayload": "errors",
    "Job": "job",
    "JobFailed": "events",
    "JobFunction": "client",
    "JobManager": "jobs",
    "JobStatus": "job",
    "NewerSchema": "errors",
    "NotRunning": "errors",
    "OutcomeUnknown": "errors",
    "PermanentError": "outcome",
    "Progress": "job",
    "RegistrationError": "errors",
    "Retry": "outcome",
    "Service": "context",
    "ServiceError": "errors",
    "Snooze": "outcome",
    "StaleAttempt": "errors",
    "StartFailed": "errors",
    "StoreError": "errors",
    "StoreUnavailable": "errors",
    "SyncFailed": "events",
    "SyncFailing": "events",
    "SyncRecovered": "events",
    "TransactionTooLong": "errors",
    "UnsafeDatabase": "errors",
    "Why": "job",
    "Windlass": "app",
    "WindlassError": "errors",
    "freeze_support": "app",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"windlass.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
