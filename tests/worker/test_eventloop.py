"""The event loop of async handlers goes on, whatever they do to it, and cleans up when it is closed."""

from __future__ import annotations

import asyncio
import threading

from tests.service.waiting import until
from windlass.worker.eventloop import EventLoop


def test_coroutines_run_beside_each_other_on_a_thread_of_their_own():
    loop = EventLoop()
    together = threading.Barrier(2)
    names: list[str] = []

    async def work() -> None:
        names.append(threading.current_thread().name)
        await asyncio.to_thread(together.wait, 20)

    loop.run(work())
    loop.run(work())
    until(lambda: together.n_waiting == 0 and len(names) == 2)
    assert names == ["windlass-async"] * 2
    loop.close(5)


def test_stopping_the_loop_from_inside_does_not_stop_it():
    loop = EventLoop()
    done = threading.Event()

    async def stop() -> None:
        asyncio.get_running_loop().stop()

    async def after() -> None:
        done.set()

    loop.run(stop())
    loop.run(after())
    assert done.wait(20)
    loop.close(5)


def test_what_runs_at_the_close_is_cancelled_and_may_clean_up():
    loop = EventLoop()
    entered = threading.Event()
    events: list[str] = []

    async def work() -> None:
        entered.set()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            events.append("clean")

    loop.run(work())
    assert entered.wait(20)
    loop.close(5)
    assert events == ["clean"]


def test_a_loop_that_was_never_used_closes_at_once():
    EventLoop().close(5)
