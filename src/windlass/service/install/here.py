"""Runs a program's jobs in this one process until it is ended: what a scheduled task of Windows starts.

python -m windlass.service.install.here TARGET DATABASE
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType

from windlass.config import as_env
from windlass.logs import configure_logging
from windlass.service.embedded import embedded
from windlass.service.log import open_log
from windlass.store.place import place_of
from windlass.target import load_app

log = logging.getLogger("windlass.service")


def main(arguments: Sequence[str]) -> int:
    """Returns when the process is told to end; running jobs get their grace."""
    target, database = arguments
    os.environ.update(as_env({"database": database}))
    # No console: what is said goes to the log, also before there is a program.
    descriptor = open_log(place_of(database).make_folder())
    sys.stdout = sys.stderr = os.fdopen(descriptor, "w", buffering=1, encoding="utf-8", errors="replace")
    ending = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        ending.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    app = load_app(target)
    configure_logging(app.settings)
    with embedded(app):
        log.info("ready: %s, in one process", app.place.shown)
        ending.wait()
    app.store.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
