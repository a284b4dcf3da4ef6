"""What PostgreSQL's errors mean to a caller, in our own words."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeVar

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

from windlass.clock import sleep
from windlass.errors import StoreUnavailable, UnsafeDatabase

TANGLED = (errors.DeadlockDetected, errors.SerializationFailure)
"""Two transactions stood in each other's way: the turn again."""
REFUSALS: tuple[type[Exception], ...] = (
    psycopg.DataError,
    psycopg.IntegrityError,
    ValueError,
    OverflowError,
)
"""What is raised for a value that the driver or the server refuses."""

T = TypeVar("T")
_TRIES = 8
_NAP_S = (0.002, 0.02)

_CANNOT_NOW: tuple[tuple[type[Exception], str], ...] = (
    (errors.DeadlockDetected, "was locked by another transaction in the reverse order"),
    (errors.SerializationFailure, "was changed by another transaction at once"),
    (errors.LockNotAvailable, "was locked by another transaction for too long"),
    (errors.QueryCanceled, "took too long"),
    (errors.DiskFull, "is on a full disk"),
    (errors.OutOfMemory, "ran out of memory"),
    (errors.TooManyConnections, "has no connection left"),
    (errors.ReadOnlySqlTransaction, "is read-only"),
    (errors.IoError, "could not be read or written"),
    (errors.InvalidSqlStatementName, "was told to forget what was prepared"),
)
OURS = "windlass: "
"""What an error begins with that a trigger of ours raises."""
_DAMAGED = (errors.DataCorrupted, errors.IndexCorrupted)
_ABSENT = (errors.UndefinedTable, errors.UndefinedColumn, errors.UndefinedFunction)


class Tangled(StoreUnavailable):
    """Two transactions stood in each other's way, and this one was rolled back."""


def again(turn: Callable[[], T]) -> T:
    """Does it, and does it again where others got in its way: so often, and after ever longer naps."""
    for tried in range(1, _TRIES):
        try:
            return turn()
        except Tangled:
            sleep(random.uniform(*_NAP_S) * tried)
    return turn()


@contextmanager
def translated(name: str) -> Generator[None]:
    """Turns the driver's errors into ours."""
    try:
        yield
    except psycopg.Error as error:
        ours = translate(error, name)
        if ours is error:
            raise
        raise ours from error


def translate(error: psycopg.Error, name: str) -> Exception:
    """The error of ours that says what the driver's means; programming errors stay what they are."""
    told = first_line(error)
    if isinstance(error, TANGLED):
        return Tangled(f"{name} was locked by others at once ({told}): nothing was written; try again")
    for kind, what in _CANNOT_NOW:
        if isinstance(error, kind):
            return StoreUnavailable(f"{name} {what} ({told}): nothing was written; try again")
    if isinstance(error, errors.RaiseException) and told.startswith(OURS):
        return StoreUnavailable(f"{name}: {told.removeprefix(OURS)}; nothing was written")
    if isinstance(error, _DAMAGED):
        return UnsafeDatabase(f"{name} is damaged ({told}): nothing was changed; restore a backup")
    is_of_ours = "windlass_" in told or "background_service_jobs" in told
    if isinstance(error, errors.InsufficientPrivilege) and is_of_ours:
        role = conninfo_to_dict(name).get("user", "of this user")
        return UnsafeDatabase(
            f"the role {role} may not do that in {name} ({told}): nothing was written; GRANT SELECT, INSERT, "
            "UPDATE, DELETE ON ALL TABLES IN SCHEMA … to it, or use the role that owns them"
        )
    if isinstance(error, _ABSENT) and is_of_ours:
        return UnsafeDatabase(
            f"{name} has no tables of Windlass yet, or those of an older one ({told}): make them with "
            "windlass migrate, or by one use of the Windlass app on this database"
        )
    if is_lost(error):
        return StoreUnavailable(
            f"{name} cannot be reached ({told}): nothing was written; try again when it can"
        )
    return error


def is_lost(error: BaseException) -> bool:
    """True where the connection is gone, or could not be made."""
    # A pooler that loses its server may answer one COMMIT twice: to psycopg that is an internal error.
    if not isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError)):
        return False
    # Classes 08 (connection), 57P (shutdown, crash, not yet ready), 25P03 and 25P04 (ended by the server, for
    # its transaction took or idled for too long); none: libpq itself could not go on.
    state = error.sqlstate
    return state is None or state.startswith(("08", "57P", "25P03", "25P04", "53", "28", "3D"))


def first_line(error: psycopg.Error) -> str:
    """What it says, without its hints and places."""
    told = error.diag.message_primary or str(error).strip().partition("\n")[0]
    return told or type(error).__name__
