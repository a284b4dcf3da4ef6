"""The options that most commands share, and what they open."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, Protocol, TypeVar, cast

import typer

from windlass.cli.exits import ExitCode
from windlass.config import as_env, load_settings
from windlass.errors import ConfigError
from windlass.store import open_store
from windlass.store.relational.noting import moved_to

if TYPE_CHECKING:
    from windlass.app import Windlass
    from windlass.config import Settings
    from windlass.store.place import Place
    from windlass.store.postgres.store import PostgresStore
    from windlass.store.sqlite.store import SqliteStore

Db = Annotated[
    str | None,
    typer.Option(
        "--db", metavar="DATABASE", help="The database: a file, or a postgresql:// URL.", show_default=False
    ),
]
App = Annotated[
    str | None,
    typer.Option(
        "--app", metavar="TARGET", help="The program: module:attr or path/to/script.py.", show_default=False
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, and nothing else there.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before changing many jobs.")]

# No file has this name, so finding it means that nobody named one.
_UNNAMED = "\0"


class _Closing(Protocol):
    def close(self) -> None: ...


AnyStore = TypeVar("AnyStore", bound=_Closing)
_to_close: list[_Closing] = []


def settle(db: str | None = None, app: str | None = None, **flags: Any) -> Settings:
    """The settings as this command line has them, also for every process it starts from here on."""
    given = {"database": db, "app": app, **flags}
    settings = load_settings(given)
    os.environ.update(as_env(given))
    return settings


def open_app(
    db: str | None, app: str | None, *, handlers: bool = False, create: bool = False, looks: bool = True
) -> Windlass:
    """The Windlass to work through.

    The person's program is loaded only where ``handlers`` are wanted and it is known, or where it alone can
    say which database it uses. ``create``: a database that does not exist yet is no mistake. ``looks`` False:
    nothing in it is asked, since the command has nothing to do with jobs, or says itself what it finds.
    """
    opened = _opened(db, app, handlers=handlers)
    if not create:
        require_database(opened.place)
        if looks:
            _look(opened.settings.database)
    _to_close.append(opened)
    return opened


def open_sqlite(db: str | None, app: str | None, *, instead: str, create: bool = False) -> SqliteStore:
    """The file itself, for the commands that care for a file. It is not brought up to date by that.

    On a server it ends the command: ``instead`` says what serves there.
    """
    opened = _opened(db, app, handlers=False)
    if not opened.place.is_file:
        fail(f"{opened.place.title} is on a PostgreSQL server: {instead}", ExitCode.USAGE)
    store = cast("SqliteStore", open_store(opened.settings.database))
    if not create:
        require_database(opened.place)
    _to_close.append(store)
    return store


def open_program(db: str | None, target: str | None, **flags: Any) -> Windlass:
    """The person's own program, loaded: it knows its database where no setting does."""
    settings = settle(db, target, **flags)
    if settings.app is None:
        raise ConfigError(
            "which program? Name it, such as app:app or path/to/script.py, or set app in windlass.toml"
        )
    from windlass.target import load_app

    return cast("Windlass", load_app(settings.app))


def _opened(db: str | None, app: str | None, *, handlers: bool) -> Windlass:
    settings = settle(db, app)
    named = load_settings(defaults={"database": _UNNAMED}).database != _UNNAMED
    if settings.app is not None and (handlers or not named):
        from windlass.target import load_app

        return cast("Windlass", load_app(settings.app))
    from windlass.app import Windlass

    return Windlass(settings.database)


def close_after(store: AnyStore) -> AnyStore:
    """The same store, closed at the end of the command."""
    _to_close.append(store)
    return store


def close_all() -> None:
    """Closes what the command opened: an SQLite file whose last user closes it leaves no log behind."""
    while _to_close:
        _to_close.pop().close()


_OTHERWISE = "name it with --db, or run windlass migrate to make it"


def require_database(place: Place, *, otherwise: str = _OTHERWISE) -> None:
    """Ends the command where there is no such file, rather than making an empty one of a misspelt name."""
    if place.is_file and not os.path.exists(place.base):
        fail(f"there is no database {place.base}: {otherwise}", ExitCode.NOT_FOUND)


def require_jobs(store: SqliteStore | PostgresStore, *, otherwise: str) -> None:
    """Ends the command where Windlass keeps nothing, rather than making its tables where nobody wants them.

    Changes nothing. ``otherwise``: what to do then.
    """
    require_database(store.place, otherwise=otherwise)
    if any(migration.number == 1 for migration in store.waiting_migrations()):
        shown = store.place.base if store.place.is_file else store.place.shown
        fail(f"{shown} holds no tables of Windlass: {otherwise}", ExitCode.NOT_FOUND)


def _look(database: str) -> None:
    """Is there anything to look at, and is it still where the jobs are?"""
    store = open_store(database)
    try:
        require_jobs(store, otherwise="name another one with --db, or run windlass migrate to make them")
        moved = moved_to(store.side().engine)
    finally:
        store.close()
    if moved is not None:
        typer.echo(
            f"windlass: this database was moved to {moved}, and is as it was at that moment: use that one",
            err=True,
        )


def fail(sentence: str, code: ExitCode) -> NoReturn:
    """Ends the command with one sentence and its exit code."""
    typer.echo(f"windlass: {sentence}", err=True)
    raise typer.Exit(code)
