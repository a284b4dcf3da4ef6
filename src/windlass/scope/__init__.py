"""Providers and scopes: what is built for one attempt, once, and closed when it ends.

How a provider is closed, in one rule: the code after the ``yield`` of a generator runs; otherwise an object
with ``close()`` (``aclose()`` first, in async handlers) is closed; otherwise a context manager is entered,
its value used, and exited. Closing goes in reverse order of building, also when the handler failed, and a
generator or context manager sees that failure. Values given as overrides are the caller's, and left open.
"""

from __future__ import annotations

from windlass.scope.providers import DATABASE, Providers
from windlass.scope.scope import Scope, open_connection

__all__ = ["DATABASE", "Providers", "Scope", "open_connection"]
