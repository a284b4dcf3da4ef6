"""The program whose jobs move."""

from __future__ import annotations

import os

from windlass import Context, PermanentError, Windlass

app = Windlass(os.environ["STORM_URL"], isolates=1)


@app.job(max_attempts=2)
def work(ctx: Context, uid: str) -> dict[str, str]:
    """Nearly nothing, so that many rows change while others are copied."""
    if uid.endswith("7"):
        ctx.log.info("seen %s", uid)
    return {"uid": uid}


@app.job(max_attempts=2)
def fail(uid: str) -> None:
    raise PermanentError(f"{uid} cannot be done")


@app.periodic(every="1s")
def tick() -> None:
    """A schedule that fires all the while."""
