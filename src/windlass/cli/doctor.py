"""``windlass doctor``: look for what may go wrong, and say what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, cast

import typer

from windlass.cli import file_checks, job_checks, service_checks, sync_checks
from windlass.cli.exits import ExitCode
from windlass.cli.findings import Finding, problem
from windlass.cli.options import App, Db, Json, close_after, open_app
from windlass.cli.output import Output
from windlass.errors import StoreError
from windlass.store import open_store

if TYPE_CHECKING:
    from windlass.store.postgres.store import PostgresStore
    from windlass.store.sqlite.store import SqliteStore

cli = typer.Typer(add_completion=False)

_MARKS = {"ok": ("✔", "green"), "note": ("·", "cyan"), "warning": ("!", "yellow"), "problem": ("✘", "red")}

Look = Callable[[], Finding | Iterable[Finding]]


@cli.command()
def doctor(
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out the check that reads the whole file.")
    ] = False,
    db: Db = None,
    app: App = None,
    as_json: Json = False,
) -> None:
    """Look for what may go wrong, and say what to do. Exit code 1 where something is to be mended."""
    opened = open_app(db, app, looks=False)
    place = opened.place
    shown = place.base if place.is_file else place.shown
    store = close_after(open_store(opened.settings.database))
    output = Output(as_json=as_json)
    with output.busy(f"looking at {shown}"):
        if place.is_file:
            findings = list(examine(cast("SqliteStore", store), quick=quick))
        else:
            findings = list(_examine_server(cast("PostgresStore", store)))
    well = all(finding.level in ("ok", "note") for finding in findings)
    output.data({"database": shown, "well": well, "findings": findings}, lambda: _page(shown, findings))
    if not well:
        raise typer.Exit(ExitCode.FAILURE)


def examine(store: SqliteStore, *, quick: bool = False) -> Iterator[Finding]:
    """Every finding, in the order of the layers: libraries, storage, file, jobs. Changes nothing."""
    path = store.path
    yield file_checks.sqlite_version()
    readable = True
    for name, look in (
        ("storage", lambda: file_checks.place(path)),
        ("file", lambda: file_checks.header(path)),
        ("space", lambda: file_checks.free_space(path)),
        ("permissions", lambda: file_checks.permissions(path)),
        ("schema", lambda: file_checks.schema(path)),
    ):
        for finding in _found(name, look, path):
            # Without its tables, or with tables of another version, nothing is asked about the jobs.
            readable = readable and finding.level != "problem" and (name != "schema" or finding.level == "ok")
            yield finding
    yield from _found("locks", lambda: file_checks.held_up(path), path)
    yield from _found("libraries", lambda: file_checks.libraries(path), path)
    yield from _found("installed", lambda: service_checks.installed(path), path)
    if readable:
        if not quick:
            yield from _found("intact", lambda: file_checks.intact(store), path)
        yield from _found("log", lambda: file_checks.log(store), path)
        yield from _examine_jobs(store, path)
        yield from _found("odd rows", lambda: job_checks.odd(store), path)
        yield from _found("sync", lambda: sync_checks.resources(store), path)


def _examine_server(store: PostgresStore) -> Iterator[Finding]:
    """The same for a database on a server."""
    from windlass.cli import lock_checks, server_checks

    well = True
    for name, look in (
        ("server", lambda: server_checks.server(store)),
        ("schema", lambda: server_checks.schema(store)),
    ):
        for finding in _found(name, look, store.name):
            well = well and finding.level != "problem" and (name != "schema" or finding.level == "ok")
            yield finding
    if well:
        yield from _found("locks", lambda: lock_checks.locks(store), store.name)
        yield from _found("transactions", lambda: server_checks.transactions(store), store.name)
        yield from _found("vacuum", lambda: server_checks.bloat(store), store.name)
        yield from _examine_jobs(store, store.name)


def _examine_jobs(store: SqliteStore | PostgresStore, path: str) -> Iterator[Finding]:
    moved = list(_found("moved", lambda: job_checks.moved(store), path))
    yield from moved
    if moved:
        # What its jobs need is asked where they are now.
        return
    for name, look in (
        ("service", lambda: job_checks.services(store)),
        ("jobs", lambda: job_checks.outcomes(store)),
        ("conditions", lambda: job_checks.conditions(store)),
        ("held", lambda: job_checks.held(store)),
        ("queues", lambda: job_checks.switches(store)),
        ("hosts", lambda: job_checks.hosts(store)),
        ("schedules", lambda: job_checks.schedules(store)),
    ):
        yield from _found(name, look, path)


def _found(name: str, look: Look, path: str) -> Iterator[Finding]:
    """A look that fails is itself a finding."""
    try:
        found = look()
        yield from [found] if isinstance(found, Finding) else found
    except StoreError as error:
        said, _, way_out = str(error).partition(": ")
        yield problem(name, said, way_out)
    except OSError as error:
        yield problem(name, f"{path} cannot be read: {error.strerror}", "check its permissions and its disk")


def _page(path: str, findings: list[Finding]) -> object:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 1))
    for ratio in (None, None, 1):
        grid.add_column(ratio=ratio, overflow="fold")
    for finding in findings:
        mark, style = _MARKS[finding.level]
        says = Text(finding.says)
        if finding.do:
            says.append(f"\n→ {finding.do}", "bold" if style in ("yellow", "red") else "dim")
        grid.add_row(Text(mark, style), Text(finding.check, "dim"), says)
    worst = [finding for finding in findings if finding.level in ("warning", "problem")]
    verdict = Text(f"{len(worst)} to mend", "bold red") if worst else Text("all is well", "bold green")
    return Group(Text(path, "bold"), grid, Text(), verdict)
