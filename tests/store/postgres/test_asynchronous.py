"""A transactional enqueue on psycopg's own asynchronous connection."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

import psycopg
import pytest

from windlass import Windlass
from windlass.errors import InvalidJob
from windlass.flow import group

Connection = psycopg.AsyncConnection[Any]


@pytest.fixture
def app(postgres_url: str) -> Iterator[Windlass]:
    app = Windlass(postgres_url)
    app.job("add")(_add)
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER)")
    assert app.jobs.counts()
    yield app
    app.close()


def _add(a: int) -> int:
    return a + 1


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 30))


async def opened(url: str, **given: Any) -> Connection:
    return await psycopg.AsyncConnection.connect(url, **given)


def waiting(app: Windlass) -> list[Any]:
    return [(job.payload or {}).get("a") for job in app.jobs.list(order="id")]


def test_a_job_exists_if_and_only_if_the_transaction_commits(app: Windlass, postgres_url: str) -> None:
    async def use() -> None:
        async with await opened(postgres_url) as connection:
            await app.aenqueue("add", {"a": 1}, connection=connection)
            assert connection.info.transaction_status.name == "INTRANS"
            assert waiting(app) == []
            await connection.rollback()
            assert waiting(app) == []
            await connection.execute("INSERT INTO orders VALUES (2)")
            await app.aenqueue("add", {"a": 2}, connection=connection)
            await app.aenqueue_many("add", [{"a": n} for n in (3, 4, 5, 6)], connection=connection)
            found = await (await connection.execute("SELECT id FROM orders")).fetchall()
            assert found == [(2,)]
        assert waiting(app) == [2, 3, 4, 5, 6]

    run(use())


def test_what_a_savepoint_holds_goes_with_it(app: Windlass, postgres_url: str) -> None:
    async def use() -> None:
        async with await opened(postgres_url) as connection:
            async with connection.transaction():
                await app.aenqueue("add", {"a": 1}, connection=connection)
                raise psycopg.Rollback
            await app.aenqueue("add", {"a": 2}, connection=connection, unique="one")
            again = await app.aenqueue("add", {"a": 3}, connection=connection, unique="one")
            assert again.payload == {"a": 2}
        assert waiting(app) == [2]

    run(use())


def test_where_each_statement_commits_so_does_each_enqueue(app: Windlass, postgres_url: str) -> None:
    async def use() -> None:
        async with await opened(postgres_url, autocommit=True) as connection:
            await app.aenqueue("add", {"a": 1}, connection=connection)
            await app.aenqueue("add", {"a": 2}, connection=connection, unique="one")
            assert connection.info.transaction_status.name == "IDLE"
            assert waiting(app) == [1, 2]
            async with connection.transaction():
                await app.aenqueue("add", {"a": 3}, connection=connection)
                raise psycopg.Rollback
            assert waiting(app) == [1, 2]

    run(use())


def test_a_group_goes_in_by_it(app: Windlass, postgres_url: str) -> None:
    async def use() -> None:
        async with await opened(postgres_url) as connection:
            steps = [app.step("add", {"a": n}) for n in (1, 2)]
            await group(*steps).aenqueue(connection=connection)
            await connection.rollback()
            await group(*steps).aenqueue(connection=connection)
        assert waiting(app) == [1, 2]

    run(use())


def test_other_coroutines_use_it_meanwhile_and_the_loop_goes_on(app: Windlass, postgres_url: str) -> None:
    async def use() -> None:
        async with await opened(postgres_url) as connection:
            await connection.execute("SELECT 1")
            await asyncio.gather(
                *(app.aenqueue("add", {"a": n}, connection=connection) for n in range(20)),
                *(connection.execute("INSERT INTO orders VALUES (%s)", [n]) for n in range(20)),
            )
            found = await (await connection.execute("SELECT count(*) FROM orders")).fetchone()
            assert found == (20,)
        assert sorted(waiting(app)) == list(range(20))

    run(use())


def test_who_is_cancelled_leaves_the_connection_whole(app: Windlass, postgres_url: str) -> None:
    async def use() -> None:
        async with await opened(postgres_url) as connection:
            for _ in range(5):
                task = asyncio.create_task(app.aenqueue("add", {"a": 1}, connection=connection))
                await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            await connection.execute("SELECT 1")
            await connection.rollback()
            await app.aenqueue("add", {"a": 2}, connection=connection)
        assert waiting(app) == [2]

    run(use())


def test_what_cannot_hold_the_job_is_refused_in_words(
    app: Windlass, postgres_url: str, postgres_server: Any
) -> None:
    async def use() -> None:
        connection = await opened(postgres_url)
        with pytest.raises(InvalidJob, match="aenqueue"):
            app.enqueue("add", {"a": 1}, connection=connection)
        async with connection.pipeline():
            with pytest.raises(InvalidJob, match="pipeline"):
                await app.aenqueue("add", {"a": 1}, connection=connection)
        await connection.close()
        with pytest.raises(InvalidJob, match="closed"):
            await app.aenqueue("add", {"a": 1}, connection=connection)
        with postgres_server.database() as name:
            async with await opened(postgres_server.url(name)) as other:
                with pytest.raises(InvalidJob, match="belongs to"):
                    await app.aenqueue("add", {"a": 1}, connection=other)
        assert waiting(app) == []

    run(use())
