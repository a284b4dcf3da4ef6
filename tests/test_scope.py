from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from windlass.context import Context, Service
from windlass.errors import RegistrationError
from windlass.handlers import Registry
from windlass.scope import Providers, Scope


class Config:
    pass


class Fetcher:
    def __init__(self, config: Config) -> None:
        self.config = config


class Archive:
    pass


class Closing:
    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def scope_of(providers: Providers, **options: Any) -> Scope:
    return Scope(providers, given={}, **options)


def test_a_type_is_built_once_per_scope_with_what_it_needs() -> None:
    providers = Providers()
    providers.provide(Config, Config)
    providers.provide(Fetcher, Fetcher)
    with scope_of(providers) as scope:
        fetcher = scope.get(Fetcher)
        assert scope.get(Fetcher) is fetcher
        assert scope.get(Config) is fetcher.config
    with scope_of(providers) as scope:
        assert scope.get(Fetcher) is not fetcher


def test_closing_goes_in_reverse_order_of_building() -> None:
    providers = Providers()
    closed: list[str] = []

    def config() -> Iterator[Config]:
        yield Config()
        closed.append("config")

    def fetcher(config: Config) -> Iterator[Fetcher]:
        yield Fetcher(config)
        closed.append("fetcher")

    providers.provide(Config, config)
    providers.provide(Fetcher, fetcher)
    with scope_of(providers) as scope:
        scope.get(Fetcher)
        assert closed == []
    assert closed == ["fetcher", "config"]


def test_an_object_with_close_is_closed_and_a_context_manager_is_entered() -> None:
    providers = Providers()
    exits: list[Any] = []

    @contextmanager
    def archive() -> Iterator[Archive]:
        try:
            yield Archive()
        finally:
            exits.append("left")

    providers.provide(Closing, Closing)
    providers.provide(Archive, archive)
    with scope_of(providers) as scope:
        closing = scope.get(Closing)
        assert isinstance(scope.get(Archive), Archive)
    assert closing.closed == 1
    assert exits == ["left"]


def test_an_object_that_outlives_the_scope_is_left_open() -> None:
    providers = Providers()
    shared = Closing()
    providers.provide(Closing, lambda: shared, close=False)
    with scope_of(providers) as scope:
        assert scope.get(Closing) is shared
    assert shared.closed == 0


def fail_with_an_archive(providers: Providers) -> None:
    with scope_of(providers) as scope:
        scope.get(Archive)
        raise ValueError("no")


def test_a_generator_sees_what_the_user_of_the_scope_failed_with() -> None:
    providers = Providers()
    seen: list[str] = []

    def archive() -> Iterator[Archive]:
        try:
            yield Archive()
        except ValueError as error:
            seen.append(str(error))
            raise

    providers.provide(Archive, archive)
    with pytest.raises(ValueError, match="no"):
        fail_with_an_archive(providers)
    assert seen == ["no"]


def test_a_generator_that_swallows_the_failure_does_not_hide_it() -> None:
    providers = Providers()

    def archive() -> Iterator[Archive]:
        try:
            yield Archive()
        except ValueError:
            return

    providers.provide(Archive, archive)
    with pytest.raises(ValueError, match="no"):
        fail_with_an_archive(providers)


def test_everything_is_closed_when_one_close_fails(caplog: pytest.LogCaptureFixture) -> None:
    providers = Providers()
    first = Closing()

    def failing() -> Iterator[Archive]:
        yield Archive()
        raise OSError("the first news")

    class Second:
        def close(self) -> None:
            raise OSError("the second news")

    providers.provide(Closing, lambda: first)
    providers.provide(Second, Second)
    providers.provide(Archive, failing)
    scope = scope_of(providers)
    scope.get(Closing)
    scope.get(Second)
    scope.get(Archive)
    with caplog.at_level(logging.ERROR, "windlass.worker"), pytest.raises(OSError, match="the first news"):
        scope.close()
    assert first.closed == 1
    assert "the second news" in caplog.text


def test_a_circle_is_named() -> None:
    class A:
        pass

    class B:
        pass

    def make_a(b: B) -> A: ...  # type: ignore[empty-body]
    def make_b(a: A) -> B: ...  # type: ignore[empty-body]

    providers = Providers()
    providers.provide(A, make_a)
    providers.provide(B, make_b)
    circle = r"in a circle: .*A → .*B → .*A"
    with pytest.raises(RegistrationError, match=circle):
        providers.check(A, asynchronous=False)
    with pytest.raises(RegistrationError, match=circle), scope_of(providers) as scope:
        scope.get(A)


def test_what_nothing_provides_is_said() -> None:
    providers = Providers()
    providers.provide(Fetcher, Fetcher)
    with scope_of(providers) as scope:
        with pytest.raises(RegistrationError, match="nothing provides Archive"):
            scope.get(Archive)
        with pytest.raises(
            RegistrationError, match=r"Fetcher .*needs config: Config, which nothing provides"
        ):
            scope.get(Fetcher)
        with pytest.raises(RegistrationError, match="it exists only while a job runs"):
            scope.get(Context)


@pytest.mark.parametrize("kind", [Context, Service, sqlite3.Connection])
def test_what_windlass_fills_in_cannot_be_provided(kind: Any) -> None:
    with pytest.raises(RegistrationError, match="filled in by Windlass"):
        Providers().provide(kind, lambda: None)


def test_a_type_is_provided_once() -> None:
    providers = Providers()
    providers.provide(Config, Config)
    with pytest.raises(RegistrationError, match=r"Config is already provided by .*Config"):
        providers.provide(Config, Config)
    with pytest.raises(RegistrationError, match="expected a factory"):
        providers.provide(Archive, 7)  # type: ignore[arg-type]


def test_a_generator_that_yields_twice_is_told() -> None:
    providers = Providers()

    def archive() -> Iterator[Archive]:
        yield Archive()
        yield Archive()

    providers.provide(Archive, archive)
    scope = scope_of(providers)
    scope.get(Archive)
    with pytest.raises(RegistrationError, match="yields more than once"):
        scope.close()


def test_an_override_replaces_a_provider_also_where_another_one_needs_it() -> None:
    providers = Providers()
    providers.provide(Config, Config)
    providers.provide(Fetcher, Fetcher)
    other = Config()
    with scope_of(providers, overrides={Config: other}) as scope:
        assert scope.get(Fetcher).config is other
    with scope_of(providers, overrides={Fetcher: lambda: "fake"}) as scope:
        assert scope.get(Fetcher) == "fake"  # type: ignore[comparison-overlap]


def test_a_value_given_as_override_is_left_open() -> None:
    providers = Providers()
    providers.provide(Closing, Closing)
    value = Closing()
    with scope_of(providers, overrides={Closing: value}) as scope:
        assert scope.get(Closing) is value
    assert value.closed == 0


def test_registry_overrides_last_as_long_as_their_block() -> None:
    registry = Registry()
    registry.provide(Config, Config)
    fake = Config()

    def job(config: Config, archive: Archive) -> None: ...

    handler = registry.add("job", job)
    with registry.override({Config: fake, Archive: Archive}):
        assert handler.encode((), {}) == "{}"
        with scope_of(registry.providers) as scope:
            assert scope.get(Config) is fake
    with scope_of(registry.providers) as scope:
        assert scope.get(Config) is not fake
        with pytest.raises(RegistrationError):
            scope.get(Archive)


def test_async_factories_generators_and_closing_work_in_async_scopes() -> None:
    providers = Providers()
    closed: list[str] = []

    async def config() -> Config:
        await asyncio.sleep(0)
        return Config()

    async def fetcher(config: Config) -> AsyncIterator[Fetcher]:
        yield Fetcher(config)
        await asyncio.sleep(0)
        closed.append("fetcher")

    @asynccontextmanager
    async def archive() -> AsyncIterator[Archive]:
        yield Archive()
        closed.append("archive")

    class Pool:
        async def aclose(self) -> None:
            closed.append("pool")

        def close(self) -> None:
            raise AssertionError("aclose comes first")

    providers.provide(Config, config)
    providers.provide(Fetcher, fetcher)
    providers.provide(Archive, archive)
    providers.provide(Pool, Pool)

    async def use() -> None:
        async with scope_of(providers) as scope:
            assert isinstance((await scope.aget(Fetcher)).config, Config)
            assert isinstance(await scope.aget(Archive), Archive)
            await scope.aget(Pool)

    asyncio.run(use())
    assert closed == ["pool", "archive", "fetcher"]


def test_an_async_provider_for_a_sync_handler_is_found_before_the_first_job() -> None:
    registry = Registry()

    async def config() -> Config:
        return Config()

    def job(fetcher: Fetcher) -> None: ...

    registry.provide(Config, config)
    registry.provide(Fetcher, Fetcher)
    registry.add("job", job)
    with pytest.raises(
        RegistrationError, match=r"config .*provides Config and is async: only async handlers"
    ):
        registry.prepare()
    with pytest.raises(RegistrationError, match="is async"), scope_of(registry.providers) as scope:
        scope.get(Config)
