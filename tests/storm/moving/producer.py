"""Enqueues until the database says that it was moved, and writes down what it was told."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from tests.storm.journal import Journal
from tests.storm.moving.app import app
from windlass import StoreUnavailable, WindlassError


def main(name: str) -> int:
    log = Journal(Path(os.environ["STORM_FOLDER"]) / f"producer-{name}.log")
    count = 0
    while True:
        count += 1
        uid = f"{name}-{count}"
        log.write("try", uid=uid)
        while True:
            try:
                app.enqueue("fail" if count % 20 == 0 else "work", {"uid": uid}, idempotency_key=uid)
                break
            except StoreUnavailable as error:
                if "was moved to" in str(error):
                    log.write("moved")
                    return 0
            except WindlassError as error:
                log.write("error", text=str(error))
            time.sleep(0.05)
        log.write("ack", uid=uid)
        time.sleep(0.005)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
