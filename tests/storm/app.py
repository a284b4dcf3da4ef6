"""The service under the storm: handlers that tell their own story, beside whatever Windlass records."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.storm.bases import EFFECT, base_of
from tests.storm.checker import CHILD
from tests.storm.journal import Journal
from tests.storm.processes import ancestors
from windlass import Context, PermanentError, Retry, Windlass

FOLDER = Path(os.environ["STORM_FOLDER"])
ABOVE = ancestors(os.getpid())
"""The dispatcher and its supervisor; asked for now, since an orphan would be told another."""
RETRIES = 2

DATABASE = os.environ.get("STORM_URL", str(FOLDER / "storm.db"))
BASE = base_of(DATABASE)

app = Windlass(DATABASE, isolates=2, grace=20.0)

if "STORM_URL" in os.environ:
    from tests.storm.postgres.planted import plant, shorten_lease
else:
    from tests.storm.planted import plant, shorten_lease
if "STORM_PLANT" in os.environ:
    plant(os.environ["STORM_PLANT"])
if "STORM_LEASE_S" in os.environ:
    shorten_lease(float(os.environ["STORM_LEASE_S"]))


@cache
def journal() -> Journal:
    return Journal(FOLDER / f"handler-{os.getpid()}.log")


@contextmanager
def told(ctx: Context, uid: str) -> Generator[None]:
    """Logs the start of an attempt and how it ended; a kill in between leaves the start alone."""
    log = journal()
    log.write("start", uid=uid, job=ctx.job_id, attempt=ctx.attempt, above=ABOVE)
    try:
        yield
        how = "ok"
    except Retry:
        how = "retry"
        raise
    except PermanentError:
        how = "fail"
        raise
    except BaseException as error:
        how = f"error {error!r}"
        raise
    finally:
        log.write("end", job=ctx.job_id, attempt=ctx.attempt, how=how)


def act(ctx: Context, plan: str) -> None:
    if plan == "retry" and ctx.attempt <= RETRIES:
        raise Retry(after="20ms")
    if plan == "fail":
        raise PermanentError("as planned")


@app.job("storm_work", max_attempts=50)
def work(ctx: Context, uid: str, plan: str, ms: int) -> None:
    with told(ctx, uid):
        if ms:
            ctx.wait_cancelled(ms / 1000)
        if plan in ("tx", "family"):
            commit(ctx, uid, plan)
        else:
            act(ctx, plan)


@app.job("storm_async", max_attempts=50)
async def work_async(ctx: Context, uid: str, plan: str, ms: int) -> None:
    with told(ctx, uid):
        await asyncio.sleep(ms / 1000)
        act(ctx, plan)


def commit(ctx: Context, uid: str, plan: str) -> None:
    """An effect, the job's completion and perhaps a child, all in one transaction."""
    with ctx.transaction() as db:
        db.execute(BASE.spelled(EFFECT), (uid, ctx.job_id, ctx.attempt, os.getpid()))
        if plan == "family":
            work.using(connection=db).enqueue(uid=uid + CHILD, plan="ok", ms=0)


def payload(uid: str, plan: str, ms: int) -> dict[str, object]:
    return {"uid": uid, "plan": plan, "ms": ms}


def payload_text(uid: str, plan: str, ms: int) -> str:
    return json.dumps(payload(uid, plan, ms))
