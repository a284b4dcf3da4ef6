"""Handlers that log."""

from __future__ import annotations

import logging
import os
from typing import Any

from tests.worker.apps import diary
from windlass import Context, Windlass
from windlass.backoff import Backoff

app = Windlass()
shop = logging.getLogger("shop.orders")


@app.job
def talk(lines: int, name: str = "") -> None:
    shop.debug("nobody keeps this")
    for number in range(1, lines + 1):
        shop.info("line %d of %s", number, name)


@app.job
async def atalk(name: str) -> None:
    shop.info("%s begins", name)
    diary.write("start", name)
    await diary.await_at(name)
    shop.warning("%s ends", name)


@app.job
def waits(name: str) -> None:
    shop.info("before the gate")
    diary.write("start", name)
    diary.wait_at(name)
    shop.info("behind the gate")


@app.job
def dies(name: str) -> None:
    shop.info("last words")
    diary.write("start", name)
    diary.wait_at(name)
    os._exit(3)


@app.job(backoff=Backoff.linear("1ms", cap="1ms", jitter="none"))
def fails(ctx: Context) -> None:
    ctx.log.info("attempt %d", ctx.attempt)
    raise ValueError("no")


@app.job(logs="off")
def silent() -> None:
    shop.error("nobody keeps this either")


@app.job(logs="debug")
def careful() -> None:
    shop.debug("even this")


@app.job
def careless(ctx: Context) -> None:
    shop.info("password=hunter2 and token: abcdef123456")
    shop.info("%d", "not a number")
    shop.info("x" * 100_000)
    shop.warning("lone \ud800 and zero \0")
    ctx.log.info("100%% of %s", "it")
    try:
        raise KeyError("api_key=verysecret")
    except KeyError:
        ctx.log.exception("it went wrong")


@app.job
def completes_inside(ctx: Context) -> None:
    shop.info("before")
    with ctx.transaction():
        shop.info("inside")
    shop.info("after")


@app.job
def quiet(value: Any = None) -> Any:
    return value
