"""The package's own server, under the name that tests know it by."""

from __future__ import annotations

from windlass.demo.server.store import Answer, Planned, StoreServer, problem

__all__ = ["Answer", "Planned", "StoreServer", "problem"]
