"""The commands of ``windlass sync`` that put right what waits for a person, and one around a migration."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from windlass.cli.exits import ExitCode
from windlass.cli.options import App, Db, Json, Yes, fail
from windlass.cli.output import Output
from windlass.cli.sync_base import One, open_synced, sentence
from windlass.errors import ConfigError
from windlass.redact import printable

if TYPE_CHECKING:
    from windlass.app import Windlass
    from windlass.change import Key, Standing

KeyOf = Annotated[
    str, typer.Argument(metavar="KEY", help="The row's primary key; of several columns, a JSON array.")
]
Keys = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY]…", help="The rows' primary keys.", show_default=False),
]
All = Annotated[bool, typer.Option("--all", help="All that failed in this resource.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="COLUMN=VALUE", help="A column's new value; repeatable.", show_default=False
    ),
]
Null = Annotated[
    list[str] | None,
    typer.Option(
        "--null", metavar="COLUMN", help="A column that becomes NULL; repeatable.", show_default=False
    ),
]

_MOST = 100_000


def resolve(
    resource: One,
    key: KeyOf,
    side: Annotated[
        str | None,
        typer.Argument(metavar="[mine|theirs]", help="Whose columns win.", show_default=False),
    ] = None,
    sets: Set = None,
    nulls: Null = None,
    db: Db = None,
    app: App = None,
    as_json: Json = False,
) -> None:
    """Settle a conflict: mine, theirs, or each column in question by --set. What only one changed is kept."""
    if (side is None) == (not sets and not nulls):
        raise typer.BadParameter("give mine or theirs, or columns with --set COLUMN=VALUE")
    if side not in (None, "mine", "theirs"):
        raise typer.BadParameter(f"expected mine or theirs, got {side!r}")
    opened = open_synced(db, app)
    one = opened.sync[resource]
    standing = _standing(opened, resource, key)
    if standing.conflict is None:
        fail(f"{resource} has no conflict about {key}: windlass sync conflicts shows all", ExitCode.NOT_FOUND)
    choice: Any = side or _columns(opened, resource, sets, nulls)
    one.resolve(standing.key, choice)
    sentence(as_json, {"resolved": [standing.key]}, f"the conflict about {key} is resolved")


def edit(
    resource: One,
    key: KeyOf,
    sets: Set = None,
    nulls: Null = None,
    db: Db = None,
    app: App = None,
    as_json: Json = False,
) -> None:
    """Change columns of a row that the remote rejected, and send it again."""
    if not sets and not nulls:
        raise typer.BadParameter("which columns? Give --set COLUMN=VALUE")
    opened = open_synced(db, app)
    one = opened.sync[resource]
    columns = _columns(opened, resource, sets, nulls)
    found = _failed(opened, resource, [key], every=False)[0]
    one.edit(found, **columns)
    sentence(as_json, {"edited": [found]}, f"{key} is edited here and sent again")


def retry(
    resource: One,
    keys: Keys = None,
    every: All = False,
    db: Db = None,
    app: App = None,
    as_json: Json = False,
) -> None:
    """Send failed changes again as they are: by key, or --all."""
    opened = open_synced(db, app)
    found = _failed(opened, resource, keys, every=every)
    for one in found:
        opened.sync[resource].retry(one)
    sentence(as_json, {"retried": found}, f"retried {len(found):,}")


def discard(
    resource: One,
    keys: Keys = None,
    every: All = False,
    yes: Yes = False,
    db: Db = None,
    app: App = None,
    as_json: Json = False,
) -> None:
    """Give failed changes up: the rows stay as they are here, and are sent with their next edit."""
    opened = open_synced(db, app)
    found = _failed(opened, resource, keys, every=every)
    _confirm(f"discard {len(found):,} changes of {resource}?", found, every=every, yes=yes)
    for one in found:
        opened.sync[resource].discard(one)
    sentence(as_json, {"discarded": found}, f"discarded {len(found):,}")


def revert(
    resource: One,
    keys: Keys = None,
    every: All = False,
    yes: Yes = False,
    db: Db = None,
    app: App = None,
    as_json: Json = False,
) -> None:
    """Give failed changes up, and put the rows back to what the remote has."""
    opened = open_synced(db, app)
    found = _failed(opened, resource, keys, every=every)
    _confirm(f"overwrite {len(found):,} rows of {resource}?", found, every=every, yes=yes)
    for one in found:
        opened.sync[resource].revert(one)
    sentence(as_json, {"reverted": found}, f"reverted {len(found):,}")


def schema_change(
    resource: One,
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[-- COMMAND…]",
            help="What changes the schema; without one, Enter goes on.",
            show_default=False,
        ),
    ] = None,
    db: Db = None,
    app: App = None,
    as_json: Json = False,
) -> None:
    """Lift the capture while the table is rebuilt, and find afterwards what was changed meanwhile."""
    opened = open_synced(db, app)
    one, output = opened.sync[resource], Output(as_json=as_json)
    with opened.sync.schema_change(resource):
        if command:
            ended = _run(command, quiet=as_json)
        else:
            output.note(f"edits of {resource} are not captured: change the schema, then press Enter")
            sys.stdin.readline()
            ended = 0
    left = one.status().pending
    told = {"resource": resource, "ended": ended, "pending": left}
    sentence(as_json, told, f"edits of {resource} are captured again, {left:,} changes are pending")
    if ended:
        fail(f"{printable(command[0]) if command else ''} ended with {ended}", ExitCode.FAILURE)


def _run(command: list[str], *, quiet: bool) -> int:
    try:
        # With --json stdout is ours alone.
        return subprocess.run(command, stdout=sys.stderr if quiet else None, check=False).returncode
    except OSError as error:
        raise ConfigError(f"{command[0]!r:.80} cannot be started: {error.strerror}") from error


# ── keys ───────────────────────────────────────────────────────────────────────────────────────────
def _standing(opened: Windlass, resource: str, text: str) -> Standing:
    from windlass.sync.words import read_key

    cycle = opened.sync.engine.cycle(resource)
    return cycle.ledger.look(resource, [read_key(cycle.table, text)]).standings[0]


def _columns(
    opened: Windlass, resource: str, sets: list[str] | None, nulls: list[str] | None
) -> dict[str, Any]:
    from windlass.sync.words import read_columns

    return read_columns(opened.sync.engine.cycle(resource).table, sets or [], nulls or [])


def _failed(opened: Windlass, resource: str, keys: list[str] | None, *, every: bool) -> list[Key]:
    """The keys of dead letters: those given, or all."""
    if bool(keys) == every:
        raise typer.BadParameter("which rows? Give their keys, or --all")
    if every:
        return list(dict.fromkeys(letter.key for letter in opened.sync[resource].dead(_MOST)))
    found: list[Key] = []
    for text in keys or []:
        standing = _standing(opened, resource, text)
        changes = [standing.sent, standing.pending, *standing.explicit]
        if not any(change is not None and change.status == "failed" for change in changes):
            fail(
                f"{resource} has no change of {text} that failed: windlass sync dead shows all",
                ExitCode.NOT_FOUND,
            )
        found.append(standing.key)
    return found


def _confirm(question: str, keys: list[Key], *, every: bool, yes: bool) -> None:
    if every and keys and not yes:
        typer.confirm(question, abort=True, err=True)
