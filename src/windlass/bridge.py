"""The one bridge from synchronous to asynchronous: no method is written twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

Self = TypeVar("Self")
P = ParamSpec("P")
R = TypeVar("R")
Spawn = Callable[..., Awaitable[Any]]
"""Calls a synchronous function that waits for asynchronous ones: ``await spawn(function, *args)``."""


def asynchronous(
    method: Callable[Concatenate[Self, P], R], *, here: Callable[..., bool | Spawn] | None = None
) -> Callable[Concatenate[Self, P], Awaitable[R]]:
    """The same method for async callers: it runs in a thread, and the event loop goes on.

    ``here`` is asked with the call's own arguments: where it says True, the call stays on the caller's
    thread, as one on a caller's connection must; or it gives what calls the method there. Who stops
    waiting does not stop the call: it may still take effect.

    Used in a class body: ``aget = asynchronous(get)``.
    """

    @wraps(method)
    async def call(self: Self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        import asyncio

        place = here is not None and here(self, *args, **kwargs)
        if callable(place):
            return await place(method, self, *args, **kwargs)
        if place:
            return method(self, *args, **kwargs)
        return await asyncio.to_thread(method, self, *args, **kwargs)

    return call
