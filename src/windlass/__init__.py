"""Windlass: durable background jobs and offline-first sync in one SQLite file."""

from __future__ import annotations

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
    UnknownJob,
    UnsafeDatabase,
    WindlassError,
)
from windlass.job import Attempt, Job, JobStatus, Progress, Why
from windlass.jobs import JobManager
from windlass.outcome import Cancel, PermanentError, Retry, Snooze
from windlass.version import VERSION as __version__  # noqa: N811 - the name that every package has

__all__ = [
    "AlreadyRunning",
    "Attempt",
    "Backoff",
    "Cancel",
    "ConfigError",
    "Context",
    "InvalidJob",
    "InvalidPayload",
    "Job",
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
    "TransactionTooLong",
    "UnknownJob",
    "UnsafeDatabase",
    "Why",
    "Windlass",
    "WindlassError",
    "__version__",
    "freeze_support",
]
