"""Jobs in the transactions of Django: ``job.using(connection=connection).enqueue(...)`` inside ``atomic()``.

``django.db.connection`` is taken, or one of ``django.db.connections``. The job is inserted on the connection
that Django has, so it exists if and only if the ``atomic()`` block commits, and goes with a savepoint that is
rolled back; the service is woken after the commit. Outside ``atomic()`` Django commits each statement by
itself: there is no transaction to join, and that is refused.

``make_app`` keeps the jobs in the database of a Django project, and minds its connections while jobs run.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

import django  # pyright: ignore[reportMissingTypeStubs]
from django import apps, conf, db  # pyright: ignore[reportMissingTypeStubs]

from windlass.app import Windlass
from windlass.errors import ConfigError, InvalidJob
from windlass.target import origin_of

if TYPE_CHECKING:
    from windlass.context import Resources
    from windlass.joining import Joined, Spawn
    from windlass.outcome import AnyOutcome
    from windlass.store.protocol import Claim

R = TypeVar("R")
# It comes without types. Its settings are no variable of ours: to look at them is to read them.
_apps: Any = apps.apps
_conf: Any = conf
_db: Any = db


def make_app(settings_module: str | None = None, *, using: str = "default", **settings: Any) -> Windlass:
    """An app whose jobs are in a Django project's own database, that of the alias ``using``.

    Call it in a module of the project, such as ``shop/jobs.py``: ``windlass run shop.jobs:app`` runs it.
    ``settings_module`` is what ``DJANGO_SETTINGS_MODULE`` is where nobody has said so; and where nobody has
    set Django up, as in the service's processes, this does. Further settings are those of ``Windlass``, and
    win over what the project says in ``WINDLASS = {...}``.

    Around each job, connections that are too old or broken are closed, as Django does around each request.

    Raises:
        ConfigError: the database is of a kind that Windlass has no store for.
    """
    if settings_module is not None:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", settings_module)
    given: dict[str, Any] = {**getattr(_conf.settings, "WINDLASS", {}), **settings}
    app = Windlass(database_of(_conf.settings.DATABASES[using]), **given)
    # Its place is where this is called: a main program may have imported it from there.
    app._origin = origin_of(sys._getframe(1))  # pyright: ignore[reportPrivateUsage]
    app.registry.observers.append(_Connections())
    if not (_apps.ready or _apps.loading):
        django.setup()
    return app


def database_of(described: Mapping[str, Any]) -> str:
    """The file or URL of what an entry of ``DATABASES`` describes.

    Raises:
        ConfigError: it is of a kind that Windlass has no store for.

    >>> database_of({"ENGINE": "django.db.backends.sqlite3", "NAME": "/srv/shop/db.sqlite3"})
    '/srv/shop/db.sqlite3'
    >>> database_of({"ENGINE": "django.db.backends.postgresql", "NAME": "shop", "HOST": "db.example"})
    'postgresql://db.example/shop'
    """
    engine, name = described["ENGINE"], str(described.get("NAME") or "")
    kind = engine.rpartition(".")[2]
    if kind in ("sqlite3", "spatialite"):
        return name
    if kind not in ("postgresql", "postgis"):
        raise ConfigError(f"expected a database of SQLite or PostgreSQL for the jobs, got {engine}")
    user, password = described.get("USER"), described.get("PASSWORD")
    who = quote(user, safe="") if user else ""
    if password:
        who += f":{quote(password, safe='')}"
    host, port = str(described.get("HOST") or ""), described.get("PORT")
    more = {
        key: value
        for key, value in dict(described.get("OPTIONS") or {}).items()
        if isinstance(value, (str, int)) and not isinstance(value, bool)
    }
    if host.startswith("/"):
        # A folder of sockets cannot stand where a host's name does.
        more["host"], host = host, ""
    at = f"{who}@" if who else ""
    place = f"{host}:{port}" if port else host
    tail = f"?{urlencode(more, quote_via=quote)}" if more else ""
    return f"postgresql://{at}{place}/{quote(name, safe='')}{tail}"


def join(given: Any) -> Joined:
    """The transaction of a connection: see ``windlass.joining``."""
    if not hasattr(given, "ensure_connection"):
        raise InvalidJob(
            "expected connection to be django.db.connection or one of django.db.connections, got "
            f"{type(given).__name__}"
        )
    return _Joined(given)


def spawn_of(given: Any) -> Spawn | None:
    """Plain calls will do: Django has no transactions in coroutines."""
    del given


class _Joined:
    """The ``atomic()`` block that is open on a connection."""

    def __init__(self, given: Any) -> None:
        self._given = given

    def run(self, work: Callable[[Any], R]) -> R:
        given = self._given
        given.ensure_connection()
        if given.get_autocommit():
            raise InvalidJob(
                f"the connection {given.alias!r} commits each statement by itself: enqueue inside "
                "transaction.atomic(), or leave connection= out"
            )
        given.validate_no_broken_transaction()
        return work(given.connection)

    def after_commit(self, call: Callable[[], None]) -> None:
        if self._given.in_atomic_block:
            _db.transaction.on_commit(call, using=self._given.alias, robust=True)

    @contextmanager
    def transaction(self) -> Generator[None]:
        with _db.transaction.atomic(using=self._given.alias, durable=True):
            yield
        if self._given.in_atomic_block:
            raise RuntimeError("Django's TestCase keeps its transaction open: use TransactionTestCase")


class _Connections:
    """Closes connections that are too old or broken, before each job and after it."""

    def begin(self, claim: Claim, resources: Resources) -> None:
        del claim, resources
        _close_old()

    def end(self, begun: None, claim: Claim, outcome: AnyOutcome, error: BaseException | None) -> None:
        del begun, claim, outcome, error
        _close_old()

    def close(self, patience_s: float) -> None:
        del patience_s


def _close_old() -> None:
    with suppress(RuntimeError):  # no event loop runs here
        asyncio.get_running_loop()
        # A coroutine's connections are those of the threads to which it passes its work.
        return
    _db.close_old_connections()
