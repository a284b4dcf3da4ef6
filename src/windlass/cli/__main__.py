"""``python -m windlass.cli``: the same command line where no script is on the path."""

from __future__ import annotations

from windlass.cli.main import main

main()
