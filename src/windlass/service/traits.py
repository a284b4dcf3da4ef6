"""What a dispatcher needs to know of each handler, from the registry."""

from __future__ import annotations

from windlass.handlers import Registry
from windlass.worker.traits import Traits, TraitsOf


def traits_of(registry: Registry) -> TraitsOf:
    """The traits of a registry's handlers, its fallback included."""
    known: dict[str, Traits | None] = {}

    def of(key: str) -> Traits | None:
        if key not in known:
            handler = registry.get(key)
            known[key] = (
                None
                if handler is None
                else Traits(handler.is_async, handler.options.timeout_us, handler.options.policy.backoff)
            )
        return known[key]

    return of
