"""With nothing due a dispatcher sleeps until the next whole minute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.service.waiting import until
from windlass import Windlass
from windlass.store.postgres.connections import Connections
from windlass.store.postgres.store import PostgresStore
from windlass.worker.orders import Orders


def test_an_idle_dispatcher_sleeps_until_the_next_whole_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wishes: list[float | None] = []
    wait = Orders.wait

    def recorded(orders: Orders, wish: float | None, *filenos: int) -> None:
        wishes.append(wish)
        wait(orders, wish, *filenos)

    monkeypatch.setattr(Orders, "wait", recorded)
    app = Windlass(tmp_path / "app.db")
    app.job("tick")(lambda: None)
    app.schedules.add("far", job="tick", every="5h", initial_delay="4h", flex="1h")
    app.schedules.add("night", job="tick", cron="0 3 29 2 *", tz="Europe/Zurich")
    app.enqueue("tick", delay="3h")
    with app.running(threads=1):
        app.jobs.wait(app.enqueue("tick").id)
        until(lambda: wishes[-1] is not None and wishes[-1] % 60.0 == 0.0, patience_s=100)
    app.close()


@pytest.mark.timeout(400)
def test_two_idle_dispatchers_let_each_other_sleep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wishes: dict[int, float | None] = {}
    wait = Orders.wait

    def recorded(orders: Orders, wish: float | None, *filenos: int) -> None:
        wishes[id(orders)] = wish
        wait(orders, wish, *filenos)

    monkeypatch.setattr(Orders, "wait", recorded)
    apps = [Windlass(tmp_path / "app.db") for _ in range(2)]
    for app in apps:
        app.job("tick")(lambda: None)
    with apps[0].running(threads=1), apps[1].running(threads=1):
        apps[0].jobs.wait(apps[0].enqueue("tick").id)
        until(
            lambda: (
                len(wishes) == 2 and all(wish is not None and wish % 60.0 == 0.0 for wish in wishes.values())
            ),
            # Each beats once a minute, and takes the other's last beat for a sign of work until then.
            patience_s=300,
        )
    for app in apps:
        app.close()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_idle_dispatcher_tells_a_server_that_it_lives_and_asks_nothing(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is the only one, and but for what is looked at once a minute."""
    said: list[str] = []
    pulse, take = PostgresStore.pulse, Connections.take

    def pulsed(store: PostgresStore, *who: Any) -> Any:
        said.append("pulse")
        return pulse(store, *who)

    def taken(connections: Connections) -> Any:
        said.append("question")
        return take(connections)

    monkeypatch.setattr(PostgresStore, "pulse", pulsed)
    monkeypatch.setattr(Connections, "take", taken)
    app = Windlass(postgres_url)
    app.job("tick")(lambda: None)
    with app.running(threads=1):
        app.jobs.wait(app.enqueue("tick").id)
        until(lambda: said[-6:] == ["pulse", "question"] * 3, patience_s=200)
    app.close()
