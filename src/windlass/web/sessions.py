"""Who looks at the dashboard, and how a browser proves it: a signed cookie, given for a one-time code."""

from __future__ import annotations

import msgspec


class Visitor(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, and whether he may act."""

    who: str
    """As the audit log names him."""
    read_only: bool = False
