"""A dispatcher as a process of its own, for tests that kill or freeze it: ``dispatching.py MODULE ISOLATES``.

It serves the database that the environment names, says on stdout when each isolate is ready, and stops on
SIGTERM, which it confirms; a second one ends it at once.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from windlass.service.traits import traits_of
from windlass.worker.dispatcher import Dispatcher
from windlass.worker.isolates import IsolatePool

ROOT = Path(__file__).resolve().parent.parent.parent.parent
GRACE_S = float(os.environ.get("TEST_GRACE_S", "30"))


class Telling(IsolatePool):
    def _hear(self, child: Any, message: list[Any]) -> None:
        super()._hear(child, message)
        if message == ["ready"]:
            print(json.dumps(self.pids()), flush=True)


def main(module: str, isolates: int) -> None:
    app = importlib.import_module(f"tests.worker.apps.{module}").app
    app.registry.prepare()
    pool = Telling(f"{ROOT}/tests.worker.apps.{module}:app", traits_of(app.registry), count=isolates)
    dispatcher = Dispatcher(
        app.store,
        pool,
        state_dir=app.state_dir,
        job_keys=app.registry.keys(),
        own_keys=app.registry.own_keys(),
        version="test",
    )
    asked: list[int] = []

    def stop(number: int, _: object) -> None:
        dispatcher.stop(0.0 if asked else GRACE_S)
        asked.append(number)
        os.write(1, b"[]\n")

    signal.signal(signal.SIGTERM, stop)
    dispatcher.run()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
