"""``python -m windlass.demo.server [--port PORT] [--seed]``: serves on loopback until it is stopped."""

from __future__ import annotations

import argparse
import signal
from contextlib import suppress

from windlass.demo.server.store import StoreServer
from windlass.demo.sync.tables import find_tables


def main() -> None:
    """Prints its address, and serves until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m windlass.demo.server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1; by default one that is free")
    parser.add_argument(
        "--seed", action="store_true", help="with the real rows of `windlass demo sync` in it"
    )
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Whoever ends it means to.
    with suppress(KeyboardInterrupt), StoreServer(chosen.port) as server:
        if chosen.seed:
            for name, rows in find_tables().rows().items():
                server.shelf.fill(name, rows.items())
        print(server.url, flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
