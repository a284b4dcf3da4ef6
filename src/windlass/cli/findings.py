"""What ``windlass doctor`` says: one finding for each thing it looked at."""

from __future__ import annotations

from typing import Literal

import msgspec

Level = Literal["ok", "note", "warning", "problem"]


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing looked at: how it stands, and what to do where it does not stand well."""

    check: str
    level: Level
    says: str
    do: str = ""


def jobs(count: int) -> str:
    """``1 job``, ``2,000 jobs``"""
    return "1 job" if count == 1 else f"{count:,} jobs"


def ok(check: str, says: str) -> Finding:
    """As it should be."""
    return Finding(check, "ok", says)


def note(check: str, says: str, do: str = "") -> Finding:
    """Good to know; nothing is wrong."""
    return Finding(check, "note", says, do)


def warning(check: str, says: str, do: str) -> Finding:
    """Something to mend: jobs wait, or may."""
    return Finding(check, "warning", says, do)


def problem(check: str, says: str, do: str) -> Finding:
    """Data or work is at risk."""
    return Finding(check, "problem", says, do)
