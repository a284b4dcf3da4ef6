"""The one bridge from synchronous to asynchronous: no method is written twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

Self = TypeVar("Self")
P = ParamSpec("P")
R = TypeVar("R")


def asynchronous(
    method: Callable[Concatenate[Self, P], R],
) -> Callable[Concatenate[Self, P], Awaitable[R]]:
    """The same method for async callers: it runs in a thread, and the event loop goes on.

    Used in a class body: ``aget = asynchronous(get)``.
    """

    @wraps(method)
    async def call(self: Self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        import asyncio

        return await asyncio.to_thread(method, self, *args, **kwargs)

    return call
