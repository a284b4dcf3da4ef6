"""``windlass migrate``, ``backup`` and ``restore``: the care of the file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from windlass.cli.exits import ExitCode
from windlass.cli.options import App, Db, Json, close_after, fail, open_app, open_sqlite
from windlass.cli.output import Output
from windlass.store import open_store
from windlass.store.sqlite.restoring import restore_from

cli = typer.Typer(add_completion=False)

File = Annotated[Path, typer.Argument(metavar="FILE", help="The copy.", show_default=False)]


_DUMP = "pg_dump --format=custom writes a consistent copy of it while everything runs"
_RESTORE = "stop its services, then pg_restore --clean brings a copy of pg_dump back"


@cli.command()
def migrate(
    sql: Annotated[bool, typer.Option("--sql", help="Print what would be done, and do nothing.")] = False,
    db: Db = None,
    app: App = None,
    as_json: Json = False,
) -> None:
    """Bring the schema up to date. A service does so by itself when it starts."""
    opened = open_app(db, app, create=True)
    shown = opened.place.base if opened.place.is_file else opened.place.shown
    store = close_after(open_store(opened.settings.database))
    output = Output(as_json=as_json)
    if sql:
        todo = store.waiting_migrations()
        output.data(
            [{"name": migration.name, "sql": migration.text} for migration in todo],
            lambda: (
                "\n".join(f"-- {migration.name}\n{migration.text}" for migration in todo)
                or "-- nothing to do"
            ),
        )
        return
    applied = store.migrate()
    output.data(
        {"database": shown, "applied": applied},
        lambda: f"{shown}: applied {', '.join(applied)}" if applied else f"{shown} is up to date",
    )


@cli.command()
def backup(target: File, db: Db = None, app: App = None, as_json: Json = False) -> None:
    """Write a consistent copy to a new FILE, readable by you alone, while everything runs."""
    store = open_sqlite(db, app, instead=_DUMP)
    if target.exists():
        fail(f"{target} exists: name a new file", ExitCode.CONFLICT)
    output = Output(as_json=as_json)
    with output.busy(f"copying {store.path}"):
        store.backup(str(target))
    size = target.stat().st_size
    output.data(
        {"database": store.path, "copy": str(target), "bytes": size}, lambda: f"{target}: {size:,} bytes"
    )


@cli.command()
def restore(source: File, db: Db = None, app: App = None, as_json: Json = False) -> None:
    """Check the copy FILE, then make it the database; what was there is kept. Not while a service runs."""
    store = open_sqlite(db, app, create=True, instead=_RESTORE)
    output = Output(as_json=as_json)
    with output.progress() as bar:
        task = bar.add_task(f"restoring {store.path}", total=None)
        kept = restore_from(source, store, lambda done, total: bar.update(task, completed=done, total=total))
    jobs = sum(store.counts().values())
    output.data(
        {"database": store.path, "from": str(source), "jobs": jobs, "kept": kept},
        lambda: (
            f"{store.path} is now {source}: {jobs:,} jobs" + (f"\nwhat it was before: {kept}" if kept else "")
        ),
    )
