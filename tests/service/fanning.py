"""A program whose jobs fan out and in; each leaves an effect in the commit that completes it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from windlass import Context, Results, Service, Windlass

HERE = Path(__file__).parent
app = Windlass(HERE / "app.db", isolates=2)


@app.on_start
def begin(service: Service, db: Any) -> None:
    service.on("where", lambda data: [os.getpid(), data])


@app.job
def part(ctx: Context, number: int) -> None:
    ctx.set_result(number)
    with ctx.transaction() as db:
        db.execute(f"INSERT INTO effects VALUES ({number:d})")


@app.job
def total(ctx: Context, results: Results[int] = Results()) -> None:  # noqa: B008 - a tuple
    ctx.set_result(sum(results))
    with ctx.transaction() as db:
        db.execute("INSERT INTO effects VALUES (-1)")


if __name__ == "__main__":
    raise SystemExit("this program is started as a service")
