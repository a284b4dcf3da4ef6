"""All handlers, providers and callbacks of one app."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from windlass.context import Context, Service, current
from windlass.errors import InvalidJob, RegistrationError
from windlass.fields import checked_name
from windlass.handlers.handler import Handler
from windlass.handlers.options import Options, read_options
from windlass.scope import DATABASE, Providers, Scope, open_connection
from windlass.signature import KEY, describe, is_async, is_generator
from windlass.store.protocol import Store

if TYPE_CHECKING:
    from windlass.device.predicates import Predicate
    from windlass.duration import Duration

F = TypeVar("F", bound=Callable[..., Any])


class Registry:
    """What an app knows how to run. Filled while modules are imported; read-only afterwards.

    >>> registry = Registry()
    >>> def send(to: str, copies: int = 1) -> None: ...
    >>> registry.add("send", send, max_attempts=5).encode(("ann",), {})
    '{"to":"ann"}'
    """

    def __init__(self) -> None:
        self.providers = Providers()
        self.start_callbacks: list[Callable[..., Any]] = []
        """What ``on_start`` registered, in order."""
        self.error_hooks: list[Callable[..., Any]] = []
        """What ``on_error`` registered, in order."""
        self.observers: list[Any] = []
        """What sees every attempt: see ``worker/observed.py``."""
        self.conditions: dict[str, Predicate] = {}
        """The app's own conditions, by name."""
        self._handlers: dict[str, Handler] = {}
        self._fallback: Handler | None = None

    def add(self, key: str, fn: Callable[..., Any], **options: Any) -> Handler:
        """Registers the function for a job key; ``options`` are those of ``read_options``.

        Raises:
            RegistrationError: the key is taken (both functions are named), or an option cannot be right.
        """
        try:
            checked_name("job key", key)
            checked = read_options(**options)
        except InvalidJob as error:
            raise RegistrationError(f"{describe(fn)}: {error}") from error
        known = self._handlers.get(key)
        if known is not None:
            raise RegistrationError(
                f"the job key {key!r} belongs to {known.where}; {describe(fn)} needs another one"
            )
        handler = self._handlers[key] = self._make(key, fn, checked)
        return handler

    def fallback(self, fn: Callable[..., Any]) -> Handler:
        """Registers what runs jobs of all other keys; it takes ``key: str`` and ``payload: dict | None``.

        Raises:
            RegistrationError: there is one already.
        """
        if self._fallback is not None:
            raise RegistrationError(
                f"{self._fallback.where} is the fallback already; {describe(fn)} cannot be, too"
            )
        self._fallback = self._make("fallback", fn, Options(), is_fallback=True)
        return self._fallback

    def on_start(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """Registers a callback that each worker process calls with ``(service, db)`` before its first job."""
        if not callable(fn):
            raise RegistrationError(f"expected on_start to get a function, got {fn!r:.80}")
        self.start_callbacks.append(fn)
        return fn

    def on_error(self, fn: F) -> F:
        """Registers what hears of every attempt that fails, in the process where it does."""
        if not callable(fn) or is_async(fn):
            raise RegistrationError(f"expected on_error to get a plain function, got {fn!r:.80}")
        self.error_hooks.append(fn)
        return fn

    def add_condition(
        self, name: str, fn: Callable[[], bool | str], *, every: Duration, timeout: Duration
    ) -> None:
        """Registers a condition that jobs may wait for.

        Raises:
            RegistrationError: the name is taken, or something in it cannot be right.
        """
        from windlass.device.predicates import Predicate

        if (known := self.conditions.get(name)) is not None:
            raise RegistrationError(
                f"the condition {name!r} belongs to {describe(known.fn)}; {describe(fn)} needs another name"
            )
        self.conditions[name] = Predicate.of(fn, name=name, every=every, timeout=timeout)

    def provide(self, kind: Any, factory: Callable[..., Any], *, close: bool = True) -> None:
        """Makes a type injectable by annotation; see ``windlass.scope`` for how its objects are closed."""
        self.providers.provide(kind, factory, close=close)
        self._forget_plans()

    @contextmanager
    def override(self, overrides: Mapping[Any, Any]) -> Generator[None]:
        """Replaces providers, in this process, while the ``with`` block runs: values, or factories."""
        with self.providers.override(overrides):
            self._forget_plans()
            yield
        self._forget_plans()

    def get(self, key: str) -> Handler | None:
        """The handler that runs jobs of that key: its own, or the fallback."""
        return self._handlers.get(key, self._fallback)

    def get_own(self, key: str) -> Handler | None:
        """The handler registered for exactly that key."""
        return self._handlers.get(key)

    def keys(self) -> tuple[str, ...] | None:
        """The job keys it can run; None for all, where there is a fallback."""
        return None if self._fallback is not None else tuple(self._handlers)

    def own_keys(self) -> tuple[str, ...]:
        """The job keys that have handlers of their own."""
        return tuple(self._handlers)

    def handlers(self) -> tuple[Handler, ...]:
        """All handlers, the fallback last."""
        return (*self._handlers.values(), *([self._fallback] if self._fallback else []))

    def prepare(self) -> None:
        """Reads every signature now, so that mistakes are found at start-up rather than by a job.

        Raises:
            RegistrationError: with the place of the function.
        """
        for handler in self.handlers():
            handler.check()

    def scope(
        self,
        store: Callable[[], Store],
        service: Service | None = None,
        overrides: Mapping[Any, Any] | None = None,
    ) -> Scope:
        """A scope for ``with``: inside a handler it shares that attempt's context and connection."""
        ctx = current()
        if ctx is not None:
            return Scope(self.providers, given=given_by(ctx), overrides=overrides)
        given: dict[Any, Callable[[], Any]] = {DATABASE: lambda: open_connection(store())}
        if service is not None:
            given[Service] = lambda: service
        return Scope(self.providers, given=given, overrides=overrides)

    def _make(
        self, key: str, fn: Callable[..., Any], options: Options, *, is_fallback: bool = False
    ) -> Handler:
        if not callable(fn):
            raise RegistrationError(f"expected a function for {key!r}, got {fn!r:.80}")
        if is_generator(fn):
            raise RegistrationError(f"{describe(fn)} is a generator: calling it would run nothing")
        return Handler(key, fn, options, self.providers, is_fallback=is_fallback)

    def _forget_plans(self) -> None:
        for handler in self.handlers():
            handler.forget()


FILLED_IN: dict[Any, Callable[[Context], Any]] = {
    Context: lambda ctx: ctx,
    Service: lambda ctx: ctx.service,
    DATABASE: lambda ctx: ctx.db,
    KEY: lambda ctx: ctx.key,
}
"""What an attempt's context gives to parameters by itself, without a scope."""


def given_by(ctx: Context) -> dict[Any, Callable[[], Any]]:
    """The same, for a scope within the attempt."""
    return {key: partial(fill, ctx) for key, fill in FILLED_IN.items()}
