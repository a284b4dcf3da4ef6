"""The entry point: prints the help page at once, and loads everything else only when it is asked for."""

from __future__ import annotations

import os
import sys

_HELP: tuple[list[str], ...] = (["--help"], ["-h"], ["help"], [])


def main() -> None:
    """Runs the command that ``sys.argv`` names; always leaves by ``SystemExit``."""
    arguments = sys.argv[1:]
    # A shell that asks for completions does so with an empty command line.
    if arguments in _HELP and "_WINDLASS_COMPLETE" not in os.environ:
        from windlass.cli.help import page

        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        sys.stdout.write(page(colour=colour))
        raise SystemExit(0)
    try:
        from windlass.cli.lazy import run
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in {"typer", "rich"}:
            raise
        sys.stderr.write(f'windlass: the command line needs {error.name}: pip install "windlass[cli]"\n')
        raise SystemExit(1) from None
    run(arguments)


if __name__ == "__main__":
    main()
