from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests import outsider
from tests.attempting import Workshop
from windlass.context import Context, Service
from windlass.handlers import Registry
from windlass.outcome import Completed, Retried
from windlass.scope import Providers, Scope
from windlass.store import open_store
from windlass.store.postgres.location import is_postgres


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


def test_a_scope_outside_handlers_has_a_connection_of_its_own(database_url: str) -> None:
    store = open_store(database_url)
    store.migrate()
    registry = Registry()
    kind = psycopg.Connection if is_postgres(database_url) else sqlite3.Connection

    def archive(db: Any) -> Any:
        return db

    archive.__annotations__["db"] = kind

    registry.provide(Archive, archive, close=False)
    with registry.scope(lambda: store) as scope:
        connection: Any = scope.get(Archive)
        assert scope.get(kind) is connection
        connection.execute("CREATE TABLE mine (x INTEGER)")
        connection.commit()
        connection.execute("INSERT INTO mine VALUES (1)")
    with pytest.raises((sqlite3.ProgrammingError, psycopg.OperationalError), match="closed"):
        connection.execute("SELECT 1")
    assert outsider.run(database_url, "SELECT count(*) FROM mine") == [(0,)]
    store.close()


def test_a_handler_gets_its_providers_and_they_are_closed_before_the_outcome(database_url: str) -> None:
    shop = Workshop(database_url)
    events: list[str] = []

    def fetcher(ctx: Context, db: Any, service: Service) -> Iterator[Fetcher]:
        assert ctx.db is db
        assert ctx.service is service
        events.append("open")
        try:
            yield Fetcher(Config())
        except BaseException as error:
            events.append(type(error).__name__)
            raise
        finally:
            db.execute("SELECT 1")
            events.append("close")

    fetcher.__annotations__["db"] = shop.connection_type
    shop.registry.provide(Fetcher, fetcher)

    @shop.job
    def good(fetcher: Fetcher, n: int) -> int:
        events.append("run")
        return n

    @shop.job
    def bad(fetcher: Fetcher) -> None:
        raise ValueError("no")

    assert shop.perform("good", '{"n":3}') == Completed("3")
    assert events == ["open", "run", "close"]
    events.clear()
    assert isinstance(shop.perform("bad"), Retried)
    assert events == ["open", "ValueError", "close"]
    shop.close()


def test_a_provider_that_fails_at_close_fails_the_job(database_url: str) -> None:
    shop = Workshop(database_url)

    def session() -> Iterator[Archive]:
        yield Archive()
        raise OSError("the commit failed")

    shop.registry.provide(Archive, session)

    @shop.job
    def job(archive: Archive) -> None: ...

    outcome = shop.perform("job")
    assert isinstance(outcome, Retried)
    assert outcome.error.startswith("OSError: the commit failed")
    shop.close()


def test_a_scope_within_a_handler_shares_its_context_and_connection(database_url: str) -> None:
    shop = Workshop(database_url)
    shop.registry.provide(Config, Config)

    @shop.job
    def job(ctx: Context) -> bool:
        fake = Config()
        with shop.registry.scope(lambda: shop.store, overrides={Config: fake}) as scope:
            return (
                scope.get(Context) is ctx
                and scope.get(shop.connection_type) is ctx.db
                and scope.get(Config) is fake
            )

    assert shop.perform("job") == Completed("true")
    shop.close()
