"""Every error Windlass raises, drawn as a tree.

WindlassError
├── ConfigError              a setting that cannot be right
├── InvalidJob               what was enqueued cannot become a job
│   └── InvalidPayload       … because of its payload
├── RegistrationError        two handlers for one key, a signature that cannot be read
├── StoreError               the database refused or failed
│   ├── OutcomeUnknown       a commit may or may not have happened
│   ├── StoreUnavailable     busy, full, read-only or failing: nothing was written
│   ├── MoveRefused          the jobs cannot be moved there, or not now
│   └── UnsafeDatabase       a database that Windlass will not, or may not, touch
│       └── NewerSchema      … because a newer Windlass wrote it
├── ServiceError             the background service
│   ├── AlreadyRunning
│   ├── NotRunning
│   └── StartFailed
├── SyncError                what keeps a resource from being synced
│   ├── ResourceBusy         another process pushes or pulls it now
│   ├── LostHold             another holder has taken over: nothing was written
│   ├── InvalidDocument      what was to be sent cannot be JSON: nothing was sent
│   ├── SweepRefused         so many rows are absent that a person must say whether they are deleted
│   └── RemoteError          a remote that does not answer as hoped
│       ├── Offline          … because it cannot be reached
│       ├── Throttled        … because it wants to be asked later
│       ├── Unauthorized     … because it does not know us, or not enough
│       ├── RemoteFault      … because it failed
│       │   └── RequestRefused … at this request alone: its other collections may be well
│       ├── CursorExpired    … because it cannot go on from our cursor: everything is pulled anew
│       ├── PageTooLarge     … because the page or its window is: a smaller one is asked for
│       └── BadResponse      … with something that cannot be read, or may not be followed
├── StaleAttempt             this attempt no longer owns its job
└── TransactionTooLong       ``ctx.transaction()`` overran and was rolled back
"""

from __future__ import annotations


class WindlassError(Exception):
    """The root of all errors raised by Windlass."""


class ConfigError(WindlassError):
    """A setting that cannot be right; the message names it and where it came from."""


class InvalidJob(WindlassError, ValueError):
    """What was enqueued cannot become a job. Nothing was written."""


class InvalidPayload(InvalidJob):
    """The payload does not fit the handler's signature, or cannot be stored as JSON."""


class RegistrationError(WindlassError):
    """A handler, provider or callback that cannot be registered."""


class StoreError(WindlassError):
    """The database refused or failed."""


class OutcomeUnknown(StoreError):
    """A commit may or may not have happened.

    Retry with the same idempotency key: then at most one job exists, whatever happened before.
    """


class StoreUnavailable(StoreError):
    """The database is busy, full, read-only or failing. Nothing was written; try again later."""


class MoveRefused(StoreError):
    """Jobs cannot be moved to that database, or not now. Those that there are stay where they are."""


class UnsafeDatabase(StoreError):
    """Damaged, foreign, not able to keep what is written, or not ours to use. Nothing was changed."""


class NewerSchema(UnsafeDatabase):
    """The database was written by a newer Windlass. Nothing was changed."""


class ServiceError(WindlassError):
    """The background service could not do what was asked."""


class AlreadyRunning(ServiceError):
    """A service already serves this database."""


class NotRunning(ServiceError):
    """No service serves this database."""


class StartFailed(ServiceError):
    """The service did not start; the message carries its own reason."""


class SyncError(WindlassError):
    """What keeps a resource from being synced."""


class ResourceBusy(SyncError):
    """Another process pushes or pulls this resource now."""


class LostHold(SyncError):
    """Another holder of the resource has taken over. Nothing was written."""


class InvalidDocument(SyncError, ValueError):
    """What was to be sent cannot be JSON: a NaN, a lone surrogate, no JSON type. Nothing was sent."""


class SweepRefused(SyncError):
    """So many rows are absent, from a complete pull or here, that deleting them on the other side wants a
    person's word."""


class RemoteError(SyncError):
    """A remote did not answer as hoped. ``after_s``: when to ask again, where it said so."""

    def __init__(self, message: str, *, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


class Offline(RemoteError):
    """The remote cannot be reached: no network, no such name, refused, or no answer in time.

    ``applied`` False: the request cannot have reached it. None: it may have, and may have had its effect.
    """

    def __init__(self, message: str, *, after_s: float | None = None, applied: bool | None = None) -> None:
        super().__init__(message, after_s=after_s)
        self.applied = applied


class Throttled(RemoteError):
    """The remote wants to be asked later: ``after_s`` says when."""


class Unauthorized(RemoteError):
    """The remote does not know us, or not enough, also after the credentials were refreshed once."""


class RemoteFault(RemoteError):
    """The remote was reached and failed."""


class RequestRefused(RemoteFault):
    """The remote refuses this request, such as by a 404: its other collections may be well.

    Only what was asked is left alone for a while, where a ``RemoteFault`` stops all that speak to the server.
    """


class CursorExpired(RemoteError):
    """The remote cannot go on from our cursor: everything is to be pulled anew."""


class PageTooLarge(RemoteError):
    """The page, or the window it spans, is too large for the remote or for us: a smaller one is asked for."""


class BadResponse(RemoteError):
    """The remote answered with something that cannot be read, is too large, or may not be followed."""


class StaleAttempt(WindlassError):
    """This attempt no longer owns its job: it was reclaimed, and another attempt goes on.

    Raised inside ``ctx.transaction()``, whose writes are rolled back.
    """


class TransactionTooLong(WindlassError):
    """``ctx.transaction()`` held the write lock for too long and was rolled back."""
