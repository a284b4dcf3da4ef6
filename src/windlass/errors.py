"""Every error Windlass raises, drawn as a tree.

WindlassError
├── ConfigError              a setting that cannot be right
├── InvalidJob               what was enqueued cannot become a job
│   └── InvalidPayload       … because of its payload
├── RegistrationError        two handlers for one key, a signature that cannot be read
├── StoreError               the database refused or failed
│   ├── OutcomeUnknown       a commit may or may not have happened
│   ├── StoreUnavailable     busy, full, read-only or failing: nothing was written
│   └── UnsafeDatabase       a file that Windlass will not touch
│       └── NewerSchema      … because a newer Windlass wrote it
├── ServiceError             the background service
│   ├── AlreadyRunning
│   ├── NotRunning
│   └── StartFailed
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


class UnsafeDatabase(StoreError):
    """The file is damaged, foreign or on storage that cannot keep it safe. Nothing was changed."""


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


class StaleAttempt(WindlassError):
    """This attempt no longer owns its job: it was reclaimed, and another attempt goes on.

    Raised inside ``ctx.transaction()``, whose writes are rolled back.
    """


class TransactionTooLong(WindlassError):
    """``ctx.transaction()`` held the write lock for too long and was rolled back."""
