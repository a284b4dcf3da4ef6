"""The root command: a typer group whose commands are imported when they are called."""

from __future__ import annotations

import sys
from collections.abc import Iterator, MutableMapping, Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from windlass.cli.commands import BY_NAME
from windlass.cli.exits import ExitCode, code_for
from windlass.cli.help import page
from windlass.errors import WindlassError
from windlass.version import VERSION


class _Commands(MutableMapping[str, Any]):
    """Name → typer command; looking one up imports its module, naming them does not."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            module = import_module(f"windlass.cli.{BY_NAME[name].module}")
            command: Any = get_command(module.cli)
            # A module with one command is that command; with several, the one of this name.
            subcommands: dict[str, Any] = getattr(command, "commands", {})
            self._loaded[name] = subcommands.get(name, command)
            self._loaded[name].name = name
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(BY_NAME)

    def __len__(self) -> int:
        return len(BY_NAME)


class LazyGroup(TyperGroup):
    """Loads the commands of ``commands.py``; turns known errors into one sentence and an exit code."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands: Any = _Commands()

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The same page as the entry point's."""
        del ctx
        formatter.write(page(colour=False))

    def list_commands(self, ctx: Any) -> list[str]:
        del ctx
        return list(BY_NAME)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except WindlassError as error:
            typer.echo(f"windlass: {error}", err=True)
            raise typer.Exit(code_for(error)) from error
        finally:
            # Loaded only where a command has opened something.
            options = sys.modules.get("windlass.cli.options")
            if options is not None:
                options.close_all()


cli = typer.Typer(cls=LazyGroup, name="windlass", context_settings={"help_option_names": ["-h", "--help"]})


def _print_version(asked: bool) -> None:
    if asked:
        import sqlite3

        python = ".".join(str(part) for part in sys.version_info[:3])
        typer.echo(f"windlass {VERSION} (Python {python}, SQLite {sqlite3.sqlite_version})")
        raise typer.Exit(ExitCode.OK)


@cli.callback()
def root(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show versions and exit."),
    ] = False,
) -> None:
    """Durable background jobs in one SQLite file."""


def run(arguments: Sequence[str]) -> None:
    """Runs a command line; leaves by ``SystemExit``."""
    get_command(cli).main(args=list(arguments), prog_name="windlass")
