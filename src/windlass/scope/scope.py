"""One attempt's objects: built on demand, closed in reverse."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Self, TypeVar, cast

from windlass.context import Context, Service
from windlass.errors import RegistrationError
from windlass.scope.providers import DATABASE, Providers, Recipe, async_in_sync, cycle, type_label
from windlass.store.protocol import Store

T = TypeVar("T")


class Scope:
    """Builds each provided type at most once and closes what it built, last first.

    ``given`` says how to get what Windlass fills in itself; a generator there is finished at the end.
    One scope belongs to one thread or task.

    >>> providers = Providers()
    >>> providers.provide(dict, lambda: {"EUR": 1.0})
    >>> with Scope(providers, given={}) as scope:
    ...     scope.get(dict)
    {'EUR': 1.0}
    """

    def __init__(
        self,
        providers: Providers,
        *,
        given: Mapping[Any, Callable[[], Any]],
        overrides: Mapping[Any, Any] | None = None,
    ) -> None:
        self._providers = providers
        self._given = given
        self._overrides = overrides
        self._built: dict[Any, Any] = {}
        self._building: list[Any] = []
        self._closers: list[_Closer] = []

    def get(self, kind: type[T]) -> T:
        """The object of that type, built at the first call.

        Raises:
            RegistrationError: nothing provides it, what it needs goes in a circle, or its factory is async.
        """
        return _run(self._resolve(self.key_for(kind), asynchronous=False))

    async def aget(self, kind: type[T]) -> T:
        """The same where factories may be async."""
        return await self._resolve(self.key_for(kind), asynchronous=True)

    def key_for(self, kind: Any) -> Any:
        """What ``fill`` knows the type by."""
        key = self._providers.key_of(kind)
        if key is None and self._overrides and kind in self._overrides:
            key = kind
        if key is None:
            raise RegistrationError(f"nothing provides {type_label(kind)}: register it with app.provide")
        return key

    def fill(self, keys: Iterable[Any]) -> list[Any]:
        """The objects for keys of ``Providers.key_of``."""
        return [_run(self._resolve(key, asynchronous=False)) for key in keys]

    async def afill(self, keys: Iterable[Any]) -> list[Any]:
        """The same where factories may be async."""
        return [await self._resolve(key, asynchronous=True) for key in keys]

    def close(self, error: BaseException | None = None) -> None:
        """Closes what was built; ``error`` is what the user of the scope failed with, if it did.

        Everything is closed, whatever fails on the way. The first failure is raised, or logged where
        ``error`` is the news.
        """
        if self._closers:
            _run(self._close(error))

    async def aclose(self, error: BaseException | None = None) -> None:
        """The same for a scope that has built async things."""
        if self._closers:
            await self._close(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self.close(error)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        await self.aclose(error)

    # ── one body for both: a coroutine that never waits is run by ``_run`` ─────────────────────
    async def _resolve(self, key: Any, *, asynchronous: bool) -> Any:
        if key in self._built:
            return self._built[key]
        if key in self._building:
            raise cycle((*self._building, key))
        replaced = self._overrides is not None and key in self._overrides
        own = None if replaced else self._given.get(key)
        self._building.append(key)
        try:
            if own is not None:
                value = await self._open(own(), close=False, asynchronous=asynchronous)
            elif key in (Context, Service, DATABASE) and not replaced:
                raise RegistrationError(
                    f"there is no {type_label(key)} here: it exists only while a job runs"
                )
            else:
                value = await self._build(self._providers.recipe(key, self._overrides), asynchronous)
        finally:
            self._building.pop()
        self._built[key] = value
        return value

    async def _build(self, recipe: Recipe, asynchronous: bool) -> Any:
        if recipe.fixed:
            return recipe.factory
        if recipe.is_async and not asynchronous:
            raise async_in_sync(recipe)
        arguments = {
            name: await self._resolve(need, asynchronous=asynchronous) for name, need in recipe.needs
        }
        made = recipe.factory(**arguments)
        if inspect.iscoroutine(made):
            made = await made
        return await self._open(made, close=recipe.close, asynchronous=asynchronous)

    async def _open(self, made: Any, *, close: bool, asynchronous: bool) -> Any:
        """Keeps how to close what a factory made; the value to use."""
        if inspect.isgenerator(made):
            value = next(made)
            self._closers.append(partial(_finish, made))
            return value
        if inspect.isasyncgen(made):
            value = await anext(made)
            self._closers.append(partial(_afinish, made))
            return value
        if not close:
            return made
        kind = cast("Any", type(made))
        if asynchronous and hasattr(kind, "aclose"):
            self._closers.append(partial(_aclose, made.aclose))
        elif hasattr(kind, "close"):
            self._closers.append(partial(_call, made.close))
        elif asynchronous and hasattr(kind, "__aenter__"):
            value = await made.__aenter__()
            self._closers.append(partial(_aexit, made))
            return value
        elif hasattr(kind, "__enter__"):
            value = made.__enter__()
            self._closers.append(partial(_exit, made))
            return value
        return made

    async def _close(self, error: BaseException | None) -> None:
        failure = error
        while self._closers:
            closer = self._closers.pop()
            try:
                await closer(failure)
            except BaseException as trouble:
                if failure is None:
                    failure = trouble
                elif trouble is not failure and trouble.__cause__ is not failure:
                    import logging

                    logging.getLogger("windlass.worker").error("closing a scope failed", exc_info=trouble)
        self._built.clear()
        if error is None and failure is not None:
            raise failure


def open_connection(store: Store) -> Iterator[Any]:
    """A connection of its own for a scope outside handlers."""
    connection = store.connect()
    try:
        yield connection
    finally:
        if store.is_inside(connection):
            connection.rollback()
        store.disconnect(connection)


_Closer = Callable[[BaseException | None], Coroutine[Any, Any, None]]


async def _finish(generator: Generator[Any, Any, Any], error: BaseException | None) -> None:
    try:
        if error is None:
            next(generator)
        else:
            generator.throw(error)
    except StopIteration:
        return
    generator.close()
    raise RegistrationError(f"the provider {_name(generator)} yields more than once")


async def _afinish(generator: AsyncGenerator[Any, Any], error: BaseException | None) -> None:
    try:
        if error is None:
            await anext(generator)
        else:
            await generator.athrow(error)
    except StopAsyncIteration:
        return
    await generator.aclose()
    raise RegistrationError(f"the provider {_name(generator)} yields more than once")


async def _call(close: Callable[[], Any], _: BaseException | None) -> None:
    answer = close()
    if inspect.isawaitable(answer):
        await answer


async def _aclose(close: Callable[[], Any], _: BaseException | None) -> None:
    await close()


async def _exit(manager: Any, error: BaseException | None) -> None:
    manager.__exit__(type(error) if error else None, error, error.__traceback__ if error else None)


async def _aexit(manager: Any, error: BaseException | None) -> None:
    await manager.__aexit__(type(error) if error else None, error, error.__traceback__ if error else None)


def _run(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    coroutine.close()
    raise RegistrationError("something async was asked for where nothing can wait: use aget, or async with")


def _name(generator: Any) -> str:
    return generator.__qualname__
