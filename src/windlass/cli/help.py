"""The page that ``windlass --help`` prints, made without typer and rich: they cost five times its price."""

from __future__ import annotations

from windlass.cli.commands import PANELS
from windlass.cli.exits import MEANING

_OPTIONS = (
    ("--help, -h", "This page; `windlass COMMAND --help` for one command"),
    ("--version", "The version, with Python's and SQLite's"),
    ("--install-completion", "Tab completion for your shell"),
)


def page(*, colour: bool) -> str:
    """The whole help text; ``colour`` adds terminal colours."""
    bold, cyan, dim, plain = ("\033[1m", "\033[36m", "\033[2m", "\033[0m") if colour else ("", "", "", "")

    def row(name: str, text: str, width: int) -> str:
        return f"  {cyan}{name:<{width}}{plain}  {text}"

    lines = [
        f"{bold}windlass{plain}: durable background jobs in one SQLite file",
        "",
        f"{bold}Usage:{plain} windlass COMMAND [OPTIONS] [ARGS]…",
    ]
    for title, panel in PANELS:
        lines += ["", f"{bold}{title}{plain}"]
        lines += [row(command.name, command.summary, 10) for command in panel]
    lines += ["", f"{bold}Options{plain}"]
    lines += [row(name, text, 20) for name, text in _OPTIONS]
    lines += [
        "",
        "Most commands take --db FILE, --app TARGET and --json. What is not given is taken from WINDLASS_…",
        "variables, windlass.toml and [tool.windlass] in pyproject.toml, in this order.",
        "",
        f"{bold}Exit codes{plain}",
    ]
    lines += [f"  {cyan}{code.value:>3}{plain}  {dim}{meaning}{plain}" for code, meaning in MEANING.items()]
    return "\n".join(lines) + "\n"
