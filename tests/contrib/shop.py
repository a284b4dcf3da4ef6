"""A shop that keeps its orders with SQLAlchemy, and sends its mail by jobs."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, Integer, create_engine
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from windlass import Windlass
from windlass.contrib.sqlalchemy import begin_explicitly


class Base(DeclarativeBase): ...


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)


class Shop:
    """An app, its job, and an engine on the same database."""

    def __init__(self, database: str, engine: Engine) -> None:
        self.app = app = Windlass(database)
        self.engine = engine
        self.database = database

        @app.job
        def mail(order: int) -> None: ...

        self.mail = mail
        self.app.store.version()
        Base.metadata.create_all(engine)

    def kept(self) -> tuple[int, int]:
        """Orders and jobs, as others see them."""
        with closing(sqlite3.connect(self.database)) as connection:
            [orders] = connection.execute("SELECT count(*) FROM orders").fetchone()
        return orders, len(self.app.jobs.list())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


@pytest.fixture
def shop(path: Path) -> Iterator[Shop]:
    engine = create_engine(f"sqlite:///{path}")
    begin_explicitly(engine)
    made = Shop(str(path), engine)
    yield made
    engine.dispose()
    made.app.close()


@pytest.fixture
def plain(shop: Shop, path: Path) -> Iterator[Engine]:
    """An engine as SQLAlchemy makes it, with the driver's own transactions."""
    engine = create_engine(f"sqlite:///{path}")
    yield engine
    engine.dispose()


def asynchronous(shop: Shop, use: Callable[[Any], Awaitable[Any]]) -> Any:
    """Runs ``use(engine)`` with an asynchronous engine on the shop's file."""

    async def run() -> Any:
        engine = create_async_engine(f"sqlite+aiosqlite:///{shop.database}")
        begin_explicitly(engine)
        try:
            return await use(engine)
        finally:
            await engine.dispose()

    return asyncio.run(run())
