"""``windlass schedules``: what is enqueued again and again; look, add, pause, run now."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from windlass.cli.enqueue import read_payload
from windlass.cli.exits import ExitCode
from windlass.cli.options import App, Db, Json, fail, open_app
from windlass.cli.output import Output
from windlass.redact import printable

if TYPE_CHECKING:
    from windlass.app import Windlass
    from windlass.schedules import Schedule

cli = typer.Typer(
    add_completion=False, no_args_is_help=True, help="List, show, add, pause, resume, remove; run one now."
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The schedule's name.")]


@cli.command("list")
def list_(db: Db = None, app: App = None, as_json: Json = False) -> None:
    """All schedules, by name."""
    found = open_app(db, app).schedules.list()

    def table() -> object:
        from windlass.cli.schedule_render import schedules_table

        return schedules_table(found)

    Output(as_json=as_json).data(found, table)


@cli.command()
def show(name: Name, db: Db = None, app: App = None, as_json: Json = False) -> None:
    """One schedule, with what it does about missed runs, and its next times."""
    opened = open_app(db, app)
    _show(opened, _one(opened, name), as_json)


@cli.command("next")
def next_(
    name: Name,
    count: Annotated[int, typer.Option("--count", "-n", help="How many times.")] = 5,
    db: Db = None,
    app: App = None,
    as_json: Json = False,
) -> None:
    """The next times at which it is due, as the clocks of its zone show them."""
    opened = open_app(db, app)
    schedule = _one(opened, name)
    times = opened.schedules.next(name, count)

    def lines() -> object:
        from windlass.cli.schedule_render import times_text

        return times_text(schedule, times)

    Output(as_json=as_json).data(times, lines)


@cli.command()
def add(
    name: Name,
    key: Annotated[str, typer.Argument(metavar="KEY", help="The job key.")],
    payload: Annotated[
        list[str] | None,
        typer.Argument(metavar="[JSON | NAME=VALUE…]", help="As of windlass enqueue.", show_default=False),
    ] = None,
    every: Annotated[str | None, typer.Option(help='Again after each such span: "15m".')] = None,
    cron: Annotated[str | None, typer.Option(help='When the clocks show this: "0 3 * * MON".')] = None,
    at: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TIME", help="Each day then: 07:30; repeatable. Or once: 2030-01-31T08:00+01:00."
        ),
    ] = None,
    tz: Annotated[str | None, typer.Option(metavar="ZONE", help="The zone of --cron and --at.")] = None,
    fixed: Annotated[str | None, typer.Option(help="rate, or delay: --every from the end of a run.")] = None,
    initial_delay: Annotated[str | None, typer.Option(help="No run before this long from now.")] = None,
    flex: Annotated[str | None, typer.Option(help="A run may come so much later.")] = None,
    missed: Annotated[str | None, typer.Option(help="latest, skip or all.")] = None,
    missed_most: Annotated[int | None, typer.Option(help="Of all, the newest so many.")] = None,
    overlap: Annotated[
        bool, typer.Option("--overlap", help="Also while its last job is unfinished.")
    ] = False,
    queue: Annotated[str | None, typer.Option("--queue", "-q", help="The queue.")] = None,
    priority: Annotated[int | None, typer.Option("--priority", "-p", help="Higher runs first.")] = None,
    max_attempts: Annotated[int | None, typer.Option(help="Total runs allowed.")] = None,
    timeout: Annotated[str | None, typer.Option(help='Ended by force after this long: "30s".')] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", "-t", help="A tag; repeatable.")] = None,
    db: Db = None,
    app: App = None,
    as_json: Json = False,
) -> None:
    """Write a schedule down, or bring the one of that name up to date; it keeps its phase."""
    given: dict[str, Any] = {
        "every": every, "cron": cron, "at": _at(at), "tz": tz, "fixed": fixed, "initial_delay": initial_delay,
        "flex": flex, "missed": missed, "missed_most": missed_most, "overlap": overlap or None,
        "queue": queue, "priority": priority, "max_attempts": max_attempts, "timeout": timeout, "tags": tag,
    }  # fmt: skip
    options: Any = {option: value for option, value in given.items() if value is not None}
    opened = open_app(db, app, handlers=True, create=True)
    made = opened.schedules.add(name, job=key, payload=read_payload(payload or []), **options)
    _show(opened, made, as_json)


@cli.command()
def pause(name: Name, db: Db = None, app: App = None, as_json: Json = False) -> None:
    """Make no jobs of it until it is resumed."""
    opened = open_app(db, app)
    _one(opened, name)
    _show(opened, opened.schedules.pause(name), as_json)


@cli.command()
def resume(name: Name, db: Db = None, app: App = None, as_json: Json = False) -> None:
    """Go on in the old rhythm; what was due meanwhile is not made up for."""
    opened = open_app(db, app)
    _one(opened, name)
    _show(opened, opened.schedules.resume(name), as_json)


@cli.command()
def remove(name: Name, db: Db = None, app: App = None, as_json: Json = False) -> None:
    """Make no more jobs of it; those that are there stay."""
    removed = open_app(db, app).schedules.remove(name)
    if not removed:
        _missing(name)
    Output(as_json=as_json).data({"removed": name}, lambda: f"removed {printable(name)}")


@cli.command("run-now")
def run_now(name: Name, db: Db = None, app: App = None, as_json: Json = False) -> None:
    """Enqueue its job now, besides its rhythm."""
    opened = open_app(db, app)
    _one(opened, name)
    job = opened.schedules.run_now(name)
    said = f"enqueued job {job.id}" if job.created else f"job {job.id} is not over: no second one was made"
    Output(as_json=as_json).data(job, lambda: said)


def _one(opened: Windlass, name: str) -> Schedule:
    schedule = opened.schedules.get(name)
    return _missing(name) if schedule is None else schedule


def _missing(name: str) -> Any:
    fail(f"there is no schedule {name!r:.80}", ExitCode.NOT_FOUND)


def _show(opened: Windlass, schedule: Schedule, as_json: bool) -> None:
    times = () if schedule.problem else opened.schedules.next(schedule.name)

    def panel() -> object:
        from windlass.cli.schedule_render import schedule_panel

        return schedule_panel(schedule, times)

    Output(as_json=as_json).data(schedule, panel)


def _at(given: list[str] | None) -> list[str] | datetime | None:
    """Several times of day, or one moment."""
    if not given:
        return None
    if len(given) == 1 and "-" in given[0]:
        try:
            return datetime.fromisoformat(given[0])
        except ValueError:
            return given  # the error that names what is expected is that of the times
    return given
