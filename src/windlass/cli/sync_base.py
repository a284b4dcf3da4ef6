"""What the commands of ``windlass sync`` have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from windlass.cli.options import open_app
from windlass.cli.output import Output
from windlass.errors import ConfigError
from windlass.redact import printable

if TYPE_CHECKING:
    from windlass.app import Windlass
    from windlass.sync.handle import Resource

Name = Annotated[
    str | None,
    typer.Argument(metavar="[RESOURCE]", help="Only this one; by default all.", show_default=False),
]
One = Annotated[str, typer.Argument(metavar="RESOURCE", help="The resource, by default named as its table.")]


def open_synced(db: str | None, app: str | None) -> Windlass:
    """The person's program, which alone knows what is synced and with what.

    Raises:
        ConfigError: nothing is.
    """
    # A program that declares tables to be synced wants ours beside them, where they are not yet.
    opened = open_app(db, app, handlers=True, looks=False)
    if not list(opened.sync):
        raise ConfigError(
            "nothing is synced here: declare a table with app.sync.resource(...), and name the program with "
            "--app or in windlass.toml"
        )
    return opened


def chosen(opened: Windlass, resource: str | None) -> list[Resource]:
    """The resource of that name, or all that can be synced: the others are named on stderr.

    Raises:
        ConfigError: there is none of that name, or none at all that can be synced.
    """
    if resource is not None:
        return [opened.sync[resource]]
    broken = opened.sync.broken()
    found = [one for one in opened.sync if one.name not in broken]
    if not found:
        raise ConfigError("; ".join(broken.values()))
    for name, problem in broken.items():
        Output().note(printable(f"{name} is not synced: {problem}"), "yellow")
    return found


def sentence(as_json: bool, value: Any, text: str) -> None:
    """The answer of a command that changed something."""

    def show() -> object:
        from rich.text import Text

        return Text(printable(text))

    Output(as_json=as_json).data(value, show)
