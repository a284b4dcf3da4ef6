"""``windlass sync``: how synced tables stand, and push and pull now."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from windlass.cli import sync_right
from windlass.cli.exits import ExitCode
from windlass.cli.options import App, Db, Json
from windlass.cli.output import Output
from windlass.cli.sync_base import Name, One, chosen, open_synced

if TYPE_CHECKING:
    from windlass.sync.handle import Resource
    from windlass.sync.status import Status

cli = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="How synced tables stand; push and pull now; conflicts and changes that failed.",
)

Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000, help="At most so many.")]


# ── look ───────────────────────────────────────────────────────────────────────────────────────────
@cli.command()
def status(resource: Name = None, db: Db = None, app: App = None, as_json: Json = False) -> None:
    """How each synced table stands: what is pending, what failed, when it was last in step."""
    opened = open_synced(db, app)
    found = opened.sync.status() if resource is None else [opened.sync[resource].status()]

    def table() -> object:
        from windlass.cli.sync_render import statuses_table

        return statuses_table(found)

    Output(as_json=as_json).data(found, table)


@cli.command()
def watch(resource: Name = None, db: Db = None, app: App = None, as_json: Json = False) -> None:
    """The status as it changes; Ctrl-C leaves. With --json, or without a terminal, each change is a line."""
    opened = open_synced(db, app)
    if resource is not None:
        chosen(opened, resource)
    output = Output(as_json=as_json)
    with opened.sync.watch(resource) as changes:
        if output.out.is_terminal and not as_json:
            draw(output, changes)
        for one in changes:
            if as_json:
                output.line(one)
            else:
                from windlass.cli.sync_render import status_line

                output.out.print(status_line(one))


def draw(output: Output, changes: Iterable[Status]) -> None:
    """The table of all of them, drawn over itself with each change."""
    from rich.live import Live

    from windlass.cli.sync_render import statuses_table

    found: dict[str, Status] = {}
    # By itself once a second: "3s ago" grows older also when nothing happens.
    with Live(
        console=output.out,
        screen=True,
        refresh_per_second=1,
        get_renderable=lambda: cast("Any", statuses_table(list(found.values()))),
    ) as live:
        for one in changes:
            found[one.resource] = one
            live.refresh()


@cli.command()
def pending(
    resource: Name = None, limit: Limit = 50, db: Db = None, app: App = None, as_json: Json = False
) -> None:
    """Changes that are not at their remote yet, oldest first, and why."""
    found = [change for one in chosen(open_synced(db, app), resource) for change in one.pending(limit)]

    def table() -> object:
        from windlass.cli.sync_render import pending_table

        return pending_table(found)

    Output(as_json=as_json).data(found, table)


@cli.command()
def conflicts(
    resource: Name = None, limit: Limit = 50, db: Db = None, app: App = None, as_json: Json = False
) -> None:
    """Rows that were edited here and there and wait for a person: base, mine and theirs."""
    found = [one for each in chosen(open_synced(db, app), resource) for one in each.conflicts(limit)]
    told = [
        {"resource": one.resource, "key": one.key, "fields": one.fields, "conflict": one.conflict}
        for one in found
    ]

    def tables() -> object:
        from windlass.cli.sync_render import conflicts_tables

        return conflicts_tables(found)

    Output(as_json=as_json).data(told, tables)


@cli.command()
def dead(
    resource: Name = None, limit: Limit = 50, db: Db = None, app: App = None, as_json: Json = False
) -> None:
    """Changes that the remote rejected, or that failed too often, with the server's own words."""
    found = [letter for one in chosen(open_synced(db, app), resource) for letter in one.dead(limit)]

    def panels() -> object:
        from windlass.cli.sync_render import dead_panels

        return dead_panels(found)

    Output(as_json=as_json).data(found, panels)


@cli.command()
def quarantine(
    resource: One, limit: Limit = 50, db: Db = None, app: App = None, as_json: Json = False
) -> None:
    """Rows of the remote that could not be written here, and why. Each pull tries them again."""
    found = open_synced(db, app).sync[resource].quarantine(limit)

    def table() -> object:
        from windlass.cli.sync_render import quarantine_table

        return quarantine_table(resource, found)

    Output(as_json=as_json).data(found, table)


# ── run ────────────────────────────────────────────────────────────────────────────────────────────
@cli.command()
def now(
    resource: Name = None,
    here: Annotated[bool, typer.Option("--here", help="In this process, also where a service runs.")] = False,
    sweep_all: Annotated[
        bool,
        typer.Option("--sweep-all", help="Delete here what is absent there, however much; implies --here."),
    ] = False,
    sweep_there: Annotated[
        bool,
        typer.Option("--sweep-there", help="Delete there what is gone here unheard; implies --here."),
    ] = False,
    bring_back: Annotated[
        bool,
        typer.Option("--bring-back", help="Put back first what is gone here unheard; implies --here."),
    ] = False,
    db: Db = None,
    app: App = None,
    as_json: Json = False,
) -> None:
    """Push and pull at once, and wait for it. Exit code 1 where it was put off or failed.

    The service does it; where none runs, this process does.
    """
    from windlass.cli.sync_now import Bars, ask_service, failures, refusals, run_here

    if bring_back and sweep_there:
        raise typer.BadParameter("--bring-back and --sweep-there: it is one or the other")
    opened = open_synced(db, app)
    output = Output(as_json=as_json)
    broken = opened.sync.broken() if resource is None else {}
    names = [one.name for one in opened.sync if one.name not in broken] if resource is None else [resource]
    first = [one for one in names if opened.sync[one].status().last_pull is None]
    outcomes = refusals(opened, names)
    outcomes += failures(opened, broken)
    names = [name for name in names if name not in {one.resource for one in outcomes}]
    bars = Bars(output.err, first)
    for name in names if bring_back else ():
        output.note(f"{name}: {opened.sync[name].bring_back():,} rows are back")
    if here or sweep_all or sweep_there or bring_back or not opened.service.is_running():
        outcomes += run_here(opened, names, bars, sweep_all=sweep_all, sweep_there=sweep_there)
    else:
        outcomes += ask_service(opened, names, bars)

    def lines() -> object:
        from windlass.cli.sync_render import outcome_lines

        return outcome_lines(outcomes)

    output.data(outcomes, lines)
    refused = [one for one in outcomes if one.figures.get("sweep_refused")]
    for one in refused:
        output.note(f"windlass: {one.figures['sweep_refused']}: windlass sync now {one.resource} --sweep-all")
    if any(one.outcome != "completed" for one in outcomes):
        raise typer.Exit(ExitCode.FAILURE)


@cli.command()
def pause(resource: Name = None, db: Db = None, app: App = None, as_json: Json = False) -> None:
    """Neither push nor pull until resume, in every process; edits are still captured."""
    _switch(db, app, resource, as_json, lambda one: one.pause())


@cli.command()
def resume(resource: Name = None, db: Db = None, app: App = None, as_json: Json = False) -> None:
    """Go on, and ask the remotes at once."""
    _switch(db, app, resource, as_json, lambda one: one.resume())


def _switch(
    db: str | None, app: str | None, resource: str | None, as_json: bool, do: Callable[[Resource], None]
) -> None:
    opened = open_synced(db, app)
    resources = chosen(opened, resource)
    for one in resources:
        do(one)
    found = [one.status() for one in resources]

    def table() -> object:
        from windlass.cli.sync_render import statuses_table

        return statuses_table(found)

    Output(as_json=as_json).data(found, table)
    if resource is None and len(resources) < len(list(opened.sync)):
        raise typer.Exit(ExitCode.FAILURE)


for _command in (
    sync_right.resolve,
    sync_right.edit,
    sync_right.retry,
    sync_right.discard,
    sync_right.revert,
    sync_right.schema_change,
):
    cli.command()(_command)
