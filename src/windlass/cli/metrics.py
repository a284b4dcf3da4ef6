"""``windlass metrics``: what ``/metrics`` tells, once."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from windlass.cli.options import App, Db, open_app
from windlass.errors import ConfigError

cli = typer.Typer(add_completion=False)


@cli.command()
def metrics(
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write them to this file instead, whole or not at all.",
            show_default=False,
        ),
    ] = None,
    db: Db = None,
    app: App = None,
) -> None:
    """Print the metrics once in Prometheus' text format: for a textfile collector, or to look at."""
    opened = open_app(db, app, handlers=True)
    try:
        from windlass.contrib.prometheus import WindlassCollector, metrics_text
    except ImportError as error:
        raise ConfigError(
            f"metrics need the package prometheus-client: install Windlass with the extra `metrics` ({error})"
        ) from error
    told = metrics_text(WindlassCollector(opened))
    if output is None:
        sys.stdout.write(told.decode())
        return
    # Whoever reads it at this moment finds the old one or the new one.
    partial = Path(f"{output}.{os.getpid()}.part")
    partial.write_bytes(told)
    partial.replace(output)
