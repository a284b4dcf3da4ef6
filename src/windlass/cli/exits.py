"""What the exit code of a command says."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class ExitCode(IntEnum):
    """One meaning each; documented in ``windlass --help`` and ``docs/cli.md``."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    TRY_AGAIN = 5
    UNKNOWN = 6
    INTERRUPTED = 130


MEANING: Mapping[ExitCode, str] = {
    ExitCode.OK: "done",
    ExitCode.FAILURE: "failed, or what was looked at is not well",
    ExitCode.USAGE: "the command, a setting or the payload cannot be right: nothing was done",
    ExitCode.NOT_FOUND: "no such service, job or database",
    ExitCode.CONFLICT: "refused as things stand: already running, already there",
    ExitCode.TRY_AGAIN: "the database is busy, full or read-only: nothing was written",
    ExitCode.UNKNOWN: "a commit may or may not have happened: retry with the same idempotency key",
    ExitCode.INTERRUPTED: "interrupted",
}


def code_for(error: Exception) -> ExitCode:
    """The exit code of a known error; the nearest named ancestor decides."""
    from windlass import errors

    codes: dict[type[BaseException], ExitCode] = {
        errors.ConfigError: ExitCode.USAGE,
        errors.InvalidJob: ExitCode.USAGE,
        errors.RegistrationError: ExitCode.USAGE,
        errors.OutcomeUnknown: ExitCode.UNKNOWN,
        errors.StoreUnavailable: ExitCode.TRY_AGAIN,
        errors.AlreadyRunning: ExitCode.CONFLICT,
        errors.MoveRefused: ExitCode.CONFLICT,
        errors.NotRunning: ExitCode.NOT_FOUND,
    }
    return next((codes[kind] for kind in type(error).__mro__ if kind in codes), ExitCode.FAILURE)
