"""Jobs in the transactions of Django: its real connections on real files, and a project with a service."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import django
import pytest
from django import conf, db
from django.db import transaction
from django.db.transaction import TransactionManagementError

from tests.attempting import Workshop
from windlass import ConfigError, Context, InvalidJob, JobStatus, StaleAttempt
from windlass.contrib.django import database_of, make_app
from windlass.outcome import Failed
from windlass.testing import drain

COMPLETED, FAILED = JobStatus.COMPLETED, JobStatus.FAILED
SQLITE = "django.db.backends.sqlite3"


@pytest.fixture(scope="module", autouse=True)
def project(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Django's settings are one per process; each test puts its own files in their place."""
    if not conf.settings.configured:
        nowhere = {"ENGINE": SQLITE, "NAME": str(tmp_path_factory.mktemp("django") / "none.db")}
        conf.settings.configure(DATABASES={"default": nowhere, "other": dict(nowhere)}, USE_TZ=True)
        django.setup()


class Shop:
    """An app and its job, in the database of Django's default connection."""

    def __init__(self, database: str) -> None:
        self.database = database
        self.app = app = make_app()

        @app.job
        def mail(order: int) -> None: ...

        self.mail = mail
        self.app.store.version()
        with db.connection.cursor() as cursor:
            cursor.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")

    def order(self, number: int) -> None:
        with db.connection.cursor() as cursor:
            cursor.execute("INSERT INTO orders VALUES (%s)", [number])

    def kept(self) -> tuple[int, int]:
        """Orders and jobs, as others see them."""
        with closing(sqlite3.connect(self.database)) as reader:
            [orders] = reader.execute("SELECT count(*) FROM orders").fetchone()
        return orders, len(self.app.jobs.list())


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    for alias, name in (("default", "app.db"), ("other", "other.db")):
        place = str(tmp_path / name)
        monkeypatch.setitem(conf.settings.DATABASES[alias], "NAME", place)
        monkeypatch.setitem(db.connections[alias].settings_dict, "NAME", place)
    made = Shop(str(tmp_path / "app.db"))
    yield made
    db.connections.close_all()
    made.app.close()


# ── J3 ─────────────────────────────────────────────────────────────────────────────────────────────
def test_a_job_exists_if_and_only_if_the_atomic_block_commits(shop: Shop):
    def take(number: int, *, fail: bool) -> None:
        with transaction.atomic():
            shop.order(number)
            shop.mail.using(connection=db.connection).enqueue(order=number)
            assert shop.kept() == (0, 0)
            if fail:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        take(1, fail=True)
    assert shop.kept() == (0, 0)
    take(2, fail=False)
    assert shop.kept() == (1, 1)


def test_a_savepoint_that_is_rolled_back_takes_its_job_along(shop: Shop):
    with transaction.atomic():
        savepoint = transaction.savepoint()
        shop.mail.using(connection=db.connection).enqueue(order=1)
        transaction.savepoint_rollback(savepoint)
        with transaction.atomic():
            kept = shop.mail.using(connection=db.connections["default"]).enqueue(order=2)
    assert [job.id for job in shop.app.jobs.list()] == [kept.id]


def test_the_bell_rings_after_the_commit_and_not_before(shop: Shop):
    bell = shop.app.store.bell("work")
    try:
        with transaction.atomic():
            with transaction.atomic():
                shop.mail.using(connection=db.connection).enqueue(order=1)
            assert not bell.drain()
        assert bell.drain()
        with transaction.atomic():
            savepoint = transaction.savepoint()
            shop.mail.using(connection=db.connection).enqueue(order=1)
            transaction.savepoint_rollback(savepoint)
        assert shop.kept() == (0, 1)
    finally:
        bell.close()


def test_a_dispatcher_runs_the_job_once_the_block_commits(shop: Shop):
    ran = threading.Event()

    @shop.app.job
    def work() -> str:
        ran.set()
        with db.connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM orders")
            return str(cursor.fetchone()[0])

    with shop.app.running(threads=1):
        with transaction.atomic():
            shop.order(1)
            job = work.using(connection=db.connection).enqueue()
            assert not ran.is_set()
        done = shop.app.jobs.wait(job.id, 30)
    assert (done.status, done.result) == (COMPLETED, "1")


def test_transactions_without_atomic_are_joined_as_well(shop: Shop):
    transaction.set_autocommit(False)
    try:
        shop.mail.using(connection=db.connection).enqueue(order=1)
        transaction.rollback()
        assert shop.kept() == (0, 0)
        shop.mail.using(connection=db.connection).enqueue(order=1)
        transaction.commit()
    finally:
        transaction.set_autocommit(True)
    assert shop.kept() == (0, 1)


# ── refused ────────────────────────────────────────────────────────────────────────────────────────
def test_outside_atomic_it_is_refused(shop: Shop):
    with pytest.raises(InvalidJob, match=r"enqueue inside transaction\.atomic\(\)"):
        shop.mail.using(connection=db.connection).enqueue(order=1)
    assert shop.kept() == (0, 0)


def test_in_a_block_that_is_bound_to_roll_back_it_is_refused(shop: Shop):
    with transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises(TransactionManagementError):
            shop.mail.using(connection=db.connection).enqueue(order=1)


def test_a_connection_to_another_database_is_refused(shop: Shop):
    with transaction.atomic(using="other"), pytest.raises(InvalidJob, match="of its own database"):
        shop.mail.using(connection=db.connections["other"]).enqueue(order=1)


def test_what_is_no_connection_is_refused(shop: Shop):
    with pytest.raises(InvalidJob, match=r"expected connection to be django\.db\.connection .* got Atomic"):
        shop.mail.using(connection=transaction.atomic()).enqueue(order=1)


# ── completion ─────────────────────────────────────────────────────────────────────────────────────
def test_a_job_is_completed_in_a_transaction_of_django(shop: Shop):
    """J4."""

    @shop.app.job(max_attempts=1)
    def close_day(ctx: Context, fail: bool) -> None:
        with ctx.transaction(db.connection):
            shop.order(1)
            shop.mail.enqueue(order=1)
            ctx.set_result("closed")
            if fail:
                raise ZeroDivisionError

    failing = close_day.enqueue(fail=True)
    drain(shop.app)
    assert shop.app.jobs.wait(failing.id, 1).status is FAILED
    assert shop.kept() == (0, 1)
    job = close_day.enqueue(fail=False)
    drain(shop.app)
    done = shop.app.jobs.wait(job.id, 1)
    assert (done.status, done.result) == (COMPLETED, "closed")
    assert shop.kept() == (1, 3)


def test_an_attempt_that_lost_its_job_writes_nothing(shop: Shop, tmp_path: Path):
    """J5."""
    workshop = Workshop(str(tmp_path / "app.db"))
    claim = workshop.claim("close_day")
    workshop.settle(claim, Failed("someone else's verdict"))
    ctx = Context(claim, workshop)
    with pytest.raises(StaleAttempt, match="no longer owns it"), ctx.transaction(db.connection):
        shop.order(1)
    workshop.close()
    assert not ctx.committed
    assert shop.kept()[0] == 0


def test_completion_is_no_part_of_a_larger_transaction(shop: Shop):
    """That one could roll back, after the job was told to be over."""

    @shop.app.job(max_attempts=1)
    def close_day(ctx: Context) -> None:
        with transaction.atomic(), ctx.transaction(db.connection):
            raise AssertionError("it must not open")

    job = close_day.enqueue()
    drain(shop.app)
    done = shop.app.jobs.wait(job.id, 1)
    assert done.status is FAILED
    assert "durable" in (done.last_error or "")


# ── a project ──────────────────────────────────────────────────────────────────────────────────────
def test_the_jobs_are_where_the_project_has_its_data(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    assert shop.app.settings.database == shop.database
    monkeypatch.setattr(conf.settings, "WINDLASS", {"title": "Shop", "threads": 2}, raising=False)
    made = make_app(using="other", threads=3)
    assert (made.settings.title, made.settings.threads) == ("Shop", 3)
    assert made.settings.database.endswith("other.db")


@pytest.mark.parametrize(
    ("described", "url"),
    [
        ({"NAME": "shop"}, "postgresql:///shop"),
        ({"NAME": "shop", "HOST": "db", "PORT": 5433}, "postgresql://db:5433/shop"),
        (
            {
                "NAME": "a/b",
                "USER": "a@b",
                "PASSWORD": "p:w/d",
                "HOST": "db",
                "OPTIONS": {"sslmode": "require"},
            },
            "postgresql://a%40b:p%3Aw%2Fd@db/a%2Fb?sslmode=require",
        ),
        (
            {
                "NAME": "s",
                "USER": "u",
                "HOST": "/run/pg",
                "OPTIONS": {"pool": True, "server_side_binding": {}},
            },
            "postgresql://u@/s?host=%2Frun%2Fpg",
        ),
    ],
    ids=["socket", "host", "quoted", "folder"],
)
def test_a_project_on_postgresql_is_described_by_a_url(described: dict[str, Any], url: str):
    assert database_of({"ENGINE": "django.db.backends.postgresql", **described}) == url


def test_a_project_on_another_database_is_told_so():
    with pytest.raises(ConfigError, match=r"got django\.db\.backends\.oracle"):
        database_of({"ENGINE": "django.db.backends.oracle", "NAME": "x"})


PROJECT = {
    "shop/__init__.py": "",
    "shop/settings.py": f"""
        DATABASES = {{"default": {{"ENGINE": "{SQLITE}", "NAME": "shop.sqlite3"}}}}
        INSTALLED_APPS = ["shop"]
        USE_TZ = True
        WINDLASS = {{"isolates": 1}}
    """,
    "shop/models.py": """
        from django.db import models

        class Order(models.Model):
            note = models.TextField()
    """,
    "shop/jobs.py": """
        from windlass.contrib.django import make_app

        app = make_app("shop.settings")

        @app.job
        def note(order: int) -> str:
            from shop.models import Order
            return Order.objects.get(pk=order).note
    """,
    "main.py": """
        import os
        os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
        import django
        django.setup()
        from django.core.management import call_command
        from django.db import connection, transaction
        from shop.jobs import app, note
        from shop.models import Order

        with connection.schema_editor() as editor:
            editor.create_model(Order)
        app.store
        app.service.start()
        with transaction.atomic():
            order = Order.objects.create(note="hello")
            job = note.using(connection=connection).enqueue(order=order.pk)
        print(app.jobs.wait(job.id, 60).result)
        app.service.stop()
    """,
}


@pytest.mark.slow
def test_a_service_runs_the_jobs_of_a_project(tmp_path: Path):
    import textwrap

    for name, content in PROJECT.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(content))
    environment = {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}
    told = subprocess.run(
        [sys.executable, "main.py"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert (told.stdout, told.stderr) == ("hello\n", "")
