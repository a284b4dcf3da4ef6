"""Enqueue: what goes in comes out, and what cannot be a job is refused before anything is written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tests import outsider
from windlass.app import Windlass
from windlass.context import Context
from windlass.errors import InvalidJob, InvalidPayload, RegistrationError, StoreUnavailable, UnsafeDatabase
from windlass.job import Job, JobStatus
from windlass.testing import ManualClock, drain


def deep(levels: int) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for _ in range(levels - 1):
        nested = {"in": nested}
    return nested


@pytest.fixture
def app(database_url: str) -> Iterator[Windlass]:
    app = Windlass(database_url, clock=ManualClock())

    @app.job(queue="mail", priority=2, max_attempts=5, tags=["slow"])
    def send(ctx: Context, order_id: int, email: str = "a@b.c", day: date | None = None) -> str:
        return f"{order_id} {email} {day}"

    yield app
    app.close()


@pytest.fixture
def send(app: Windlass) -> Any:
    from windlass.client import JobFunction

    handler = app.registry.get_own("send")
    assert handler is not None
    return JobFunction(app.client, handler)


def nothing_written(app: Windlass) -> bool:
    return app.jobs.list() == []


# ── what goes in ───────────────────────────────────────────────────────────────────────────────────
def test_an_enqueue_tells_the_job_as_it_is_stored(app: Windlass, send: Any) -> None:
    told = send.enqueue(7, day=date(2026, 5, 1))
    assert told == app.jobs.get(told.id)
    assert (told.key, told.queue, told.priority, told.max_attempts) == ("send", "mail", 2, 5)
    assert (told.payload, told.tags) == ({"order_id": 7, "day": "2026-05-01"}, ("slow",))
    assert [job.result for job in drain(app)] == ["7 a@b.c 2026-05-01"]


@pytest.mark.parametrize(
    "options",
    [
        {"delay": "1h"},
        {"delay": 0},
        {"run_at": datetime(2026, 6, 1, tzinfo=UTC)},
        {"run_at": datetime(1999, 6, 1, tzinfo=UTC)},
        {"priority": -(2**63), "queue": "bulk", "max_attempts": 1, "timeout": "30s"},
        {"tags": ["a", "slow", "b"], "meta": {"by": "test"}, "idempotency_key": "k-1"},
        {"durability": "fast"},
    ],
    ids=str,
)
def test_every_option_is_told_as_it_is_stored(app: Windlass, send: Any, options: dict[str, Any]) -> None:
    told = send.using(**options).enqueue(order_id=7)
    kept = app.jobs.get(told.id)
    assert told == kept
    assert told.tags == ("slow", "a", "b") or "tags" not in options


def test_options_are_chosen_anew_each_time_and_the_function_stays_callable(app: Windlass, send: Any) -> None:
    urgent = send.using(priority=9)
    assert urgent.enqueue(1).priority == 9
    assert send.enqueue(1).priority == 2
    assert send(None, 3) == "3 a@b.c None"
    assert (send.key, send.__name__) == ("send", "send")
    assert nothing_written(app) is False


def test_by_key_and_by_function_is_the_same_job(app: Windlass, send: Any) -> None:
    one = app.enqueue("send", {"order_id": 7, "email": "x@y.z"})
    two = send.enqueue(7, "x@y.z")
    assert (one.payload, one.queue, one.priority) == (two.payload, two.queue, two.priority)


def test_a_key_that_nobody_here_knows_is_enqueued_and_held_for_who_does(app: Windlass) -> None:
    """J8: a program without handlers enqueues for one that has them."""
    job = app.enqueue("elsewhere.made", {"things": ["thing", 1, None]}, max_attempts=1)
    assert drain(app) == []
    kept = app.jobs.get(job.id)
    assert kept is not None
    assert (kept.status, kept.attempts, kept.payload) == (
        JobStatus.PENDING,
        0,
        {"things": ["thing", 1, None]},
    )
    app.registry.add("elsewhere.made", lambda things: things)
    assert [done.result for done in drain(app)] == [["thing", 1, None]]


def test_no_payload_is_null(app: Windlass) -> None:
    assert app.enqueue("bare").payload is None
    assert outsider.run(app.settings.database, "SELECT payload FROM background_service_jobs") == [(None,)]


def test_many_jobs_go_in_together_or_not_at_all(app: Windlass, send: Any) -> None:
    jobs = send.enqueue_many({"order_id": n} for n in range(1000))
    assert [job.payload["order_id"] for job in jobs] == list(range(1000))
    assert len({job.id for job in jobs}) == 1000
    with pytest.raises(InvalidPayload, match="order_id"):
        send.enqueue_many([{"order_id": 1}, {"order_id": "many"}])
    assert app.jobs.counts()[JobStatus.PENDING] == 1000
    assert send.enqueue_many([]) == []


def test_a_second_enqueue_with_the_same_key_finds_the_first(app: Windlass, send: Any) -> None:
    """J2."""
    first = send.using(idempotency_key="order-7").enqueue(7)
    drain(app)
    again = send.using(idempotency_key="order-7").enqueue(8)
    assert (again.id, again.created, again.status) == (first.id, False, JobStatus.COMPLETED)
    assert again.payload == {"order_id": 7}
    assert first.created


# ── inside a transaction ───────────────────────────────────────────────────────────────────────────
def test_an_order_and_its_job_are_kept_together_or_not_at_all(app: Windlass, send: Any) -> None:
    """J3."""

    def order(number: int, *, fails: bool) -> None:
        with app.transaction() as tx:
            tx.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY)")
            tx.execute(outsider.spelt(app.settings.database, "INSERT INTO orders VALUES (?)"), (number,))
            send.using(connection=tx).enqueue(number)
            if fails:
                raise KeyError(number)

    order(1, fails=False)
    with pytest.raises(KeyError):
        order(2, fails=True)
    assert [job.payload for job in app.jobs.list()] == [{"order_id": 1}]


def test_on_a_callers_connection_an_existing_job_is_told_as_that_connection_sees_it(
    app: Windlass, send: Any
) -> None:
    with outsider.connected(app.settings.database) as own:
        first = send.using(connection=own, idempotency_key="k").enqueue(7)
        again = send.using(connection=own, idempotency_key="k").enqueue(8)
        assert (again.id, again.created, again.payload) == (first.id, False, {"order_id": 7})
        own.rollback()
    assert nothing_written(app)


def test_async_callers_may_use_their_own_connection(app: Windlass, send: Any) -> None:
    """It stays on the caller's thread, to which such a connection is bound."""

    async def produce(own: Any) -> list[Job]:
        return [
            await send.using(connection=own).aenqueue(1),
            await app.aenqueue("send", {"order_id": 2}, connection=own),
            *(await send.using(connection=own).aenqueue_many([{"order_id": 3}])),
            *(await app.aenqueue_many("send", [{"order_id": 4}], connection=own)),
        ]

    with outsider.connected(app.settings.database) as own:
        jobs = asyncio.run(produce(own))
        assert nothing_written(app)
        own.commit()
    assert [job.id for job in app.jobs.list(order="id")] == [job.id for job in jobs]


def test_async_callers_do_not_wait_in_the_event_loop(app: Windlass, send: Any) -> None:
    async def produce() -> list[Job]:
        return list(await asyncio.gather(*(send.aenqueue(n) for n in range(20))))

    assert len({job.id for job in asyncio.run(produce())}) == 20


@pytest.mark.parametrize("bad", ["closed", "elsewhere", "memory", "none of the kind"])
def test_a_connection_that_cannot_be_used_is_refused_and_nothing_written(
    app: Windlass, send: Any, tmp_path: Path, bad: str
) -> None:
    assert app.store.migrate() == []
    where = {"elsewhere": str(tmp_path / "other.db"), "memory": ":memory:"}.get(bad, app.settings.database)
    connection = outsider.connect(where)
    if bad == "closed":
        connection.close()
    if bad == "none of the kind":
        connection.close()
        connection = "app.db"
    with pytest.raises(InvalidJob, match="connection"):
        send.using(connection=connection).enqueue(7)
    if not isinstance(connection, str):
        connection.close()
    assert nothing_written(app)


# ── what is refused ────────────────────────────────────────────────────────────────────────────────
BAD_PAYLOADS: list[tuple[Any, str]] = [
    ({"x": float("nan")}, r"payload\.x is NaN"),
    ({"x": [1, {"y": float("inf")}]}, r"payload\.x\[1\]\.y is infinite"),
    ({"x": -float("inf")}, r"payload\.x is infinite"),
    ({"x": 2**63}, r"payload\.x is beyond a 64-bit integer"),
    ({"x": -(2**63) - 1}, r"payload\.x is beyond a 64-bit integer"),
    ({"x": "\ud800"}, r"payload\.x holds a lone surrogate"),
    ({"\udfff": 1}, "holds a lone surrogate"),
    ({1: "x"}, "has the key 1: expected text, got int"),
    ({None: "x"}, "expected text, got None"),
    ({"x": {("a",): 1}}, r"payload\.x has the key"),
    (deep(65), "nested deeper than 64 levels"),
    (deep(10_000), "nested deeper than 64 levels"),
    ({"x": "y" * (2 << 20)}, "larger than 1 MiB"),
    ({"x": ["y"] * (1 << 20)}, "larger than 1 MiB"),
    ({"x": object()}, r"payload\.x is a value of type object"),
    ({"x": lambda: 1}, r"payload\.x is a value of type function"),
    ([1, 2], "expected payload to be a dict or None, got list"),
    ("text", "expected payload to be a dict or None, got str"),
    (7, "expected payload to be a dict or None, got int"),
    (b"{}", "expected payload to be a dict or None, got bytes"),
]


@pytest.mark.parametrize(("payload", "told"), BAD_PAYLOADS, ids=[told for _, told in BAD_PAYLOADS])
def test_a_payload_that_json_cannot_hold_is_refused_with_its_place(
    app: Windlass, payload: Any, told: str
) -> None:
    """X3; and nothing is written."""
    with pytest.raises(InvalidPayload, match=told):
        app.enqueue("anything", payload)
    with pytest.raises(InvalidPayload):
        app.enqueue_many("anything", [{}, payload])
    assert nothing_written(app)


def test_the_deepest_and_the_longest_that_may_be_go_in(app: Windlass) -> None:
    assert app.enqueue("a", deep(64)).id == 1
    longest = {"x": "y" * ((1 << 20) - len('{"x":""}'))}
    job = app.jobs.get(app.enqueue("a", longest).id)
    assert job is not None
    assert job.payload == longest


@pytest.mark.parametrize(
    ("enqueue", "told"),
    [
        (lambda send: send.enqueue(order_id="seven"), "order_id"),
        (lambda send: send.enqueue(order_id=None), "order_id"),
        (lambda send: send.enqueue(order_id=7.5), "order_id"),
        (lambda send: send.enqueue(7, day="first of May"), "day"),
        (lambda send: send.enqueue(), "order_id"),
        (lambda send: send.enqueue(7, surprise=1), "surprise"),
        (lambda send: send.enqueue(1, "a", None, 4), "by position"),
        (lambda send: send.enqueue(7, order_id=7), "order_id"),
        (lambda send: send.enqueue(7, email="\ud800"), "lone surrogate"),
        (lambda send: send.enqueue(2**64), "order_id|64-bit"),
        (lambda send: send.enqueue(7, email="x" * (2 << 20)), "larger than 1 MiB"),
    ],
    ids=range(11),
)
def test_arguments_that_do_not_fit_the_handler_are_refused(
    app: Windlass, send: Any, enqueue: Callable[[Any], Job], told: str
) -> None:
    """Wrong types, missing and extra fields; by the parameter's name."""
    with pytest.raises(InvalidPayload, match=told):
        enqueue(send)
    assert nothing_written(app)


@pytest.mark.parametrize(
    "payload", [{"order_id": "x"}, {}, {"order_id": 1, "zz": 2}, None, {"order_id": None}], ids=str
)
def test_a_known_handler_judges_what_is_enqueued_by_its_key(app: Windlass, payload: Any) -> None:
    with pytest.raises(InvalidPayload):
        app.enqueue("send", payload)
    assert nothing_written(app)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"queue": 'mail"; DROP TABLE background_service_jobs; --'}, "expected queue to be 1 to 128 letters"),
        ({"queue": ""}, "expected queue to be 1 to 128 letters"),
        ({"queue": 7}, "expected queue to be"),
        ({"priority": 2**63}, "expected priority to be an integer of 64 bits"),
        ({"priority": "high"}, "expected priority to be"),
        ({"max_attempts": 0}, "expected max_attempts to be a positive integer"),
        ({"delay": "soon"}, "expected delay to be a duration"),
        ({"delay": -1}, "expected delay to be between"),
        ({"delay": 1, "run_at": datetime(2026, 1, 1, tzinfo=UTC)}, "expected delay or run_at, got both"),
        ({"run_at": "tomorrow"}, "expected run_at to be a datetime, got 'tomorrow'"),
        ({"run_at": 1_800_000_000}, "expected run_at to be a datetime"),
        ({"run_at": date(2026, 1, 1)}, "expected run_at to be a datetime"),
        ({"timeout": 0}, "expected timeout to be longer than nothing"),
        ({"tags": "mail"}, "expected tags to be several texts"),
        ({"tags": [7]}, "expected tags to be printable texts"),
        ({"meta": [1]}, "expected meta to be a dict or None, got list"),
        ({"meta": {"x": float("nan")}}, r"meta\.x is NaN"),
        ({"idempotency_key": ""}, "expected idempotency_key to be a printable text"),
        ({"unique": ""}, "expected unique to be a printable text"),
        ({"idempotency_key": "a\0"}, "expected idempotency_key to be a printable text"),
        ({"durability": "Full"}, 'expected durability to be "full" or "fast", got \'Full\''),
    ],
    ids=str,
)
def test_an_option_that_cannot_be_is_refused_by_its_name(
    app: Windlass, send: Any, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidJob, match=told):
        send.using(**options).enqueue(7)
    with pytest.raises(InvalidJob, match=told):
        app.enqueue("by-key", **options)
    assert nothing_written(app)


@pytest.mark.parametrize(
    "key", ["", "a b", 'x"; DROP TABLE background_service_jobs; --', None, 7, ["a"], "a\0"], ids=ascii
)
def test_a_job_key_that_is_no_name_is_refused(app: Windlass, key: Any) -> None:
    """pgmq #295: identifier injection."""
    with pytest.raises(InvalidJob, match="expected job key to be 1 to 128 letters"):
        app.enqueue(key)
    with pytest.raises(InvalidJob, match="expected job key to be"):
        app.enqueue_many(key, [{}])
    with pytest.raises(RegistrationError):
        app.registry.add(key, lambda: None)
    assert nothing_written(app)


def test_a_unique_job_is_made_once_until_it_is_over(app: Windlass) -> None:
    """J2."""
    first = app.enqueue("a", {"n": 1}, unique="one")
    again = app.enqueue("b", {"n": 2}, unique="one")
    assert (again.id, again.key, again.payload, again.created) == (first.id, "a", {"n": 1}, False)
    assert (first.unique, again.unique) == ("one", "one")
    app.jobs.cancel(first.id)
    assert app.enqueue("b", unique="one").created


def test_one_unique_key_for_many_jobs_is_refused(app: Windlass) -> None:
    with pytest.raises(InvalidJob, match="beside unique for many jobs at once"):
        app.enqueue_many("a", [{}, {}], unique="k")


def test_one_idempotency_key_for_many_jobs_is_refused(app: Windlass) -> None:
    with pytest.raises(InvalidJob, match="they would all be one job"):
        app.enqueue_many("a", [{}, {}], idempotency_key="k")


def test_the_ends_of_the_calendar_are_dates_like_any_other(app: Windlass) -> None:
    for moment in (datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)):
        job = app.enqueue("a", run_at=moment)
        assert app.jobs.get(job.id) == job


def test_a_date_beyond_the_calendar_is_refused(app: Windlass) -> None:
    beyond = datetime.max.replace(tzinfo=timezone(-timedelta(hours=5)))
    with pytest.raises(InvalidJob, match="expected run_at to be a time this machine can tell"):
        app.enqueue("a", run_at=beyond)


def test_a_naive_date_is_local_time(app: Windlass) -> None:
    local = datetime.now() + timedelta(days=400)  # noqa: DTZ005 - that is the point
    told = app.enqueue("a", run_at=local.replace(microsecond=0)).run_at
    assert told == local.replace(microsecond=0).astimezone(UTC)


def test_a_database_that_cannot_be_used_says_why_at_the_first_enqueue(tmp_path: Path) -> None:
    with pytest.raises(UnsafeDatabase, match="got the directory"):
        Windlass(tmp_path).enqueue("a")
    with pytest.raises(StoreUnavailable, match="does not exist"):
        Windlass(tmp_path / "none" / "app.db").enqueue("a")
