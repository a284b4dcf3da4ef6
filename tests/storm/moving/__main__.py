"""``python3 dev.py storm --move``: 100,000 mixed jobs, to PostgreSQL and back, under load and under fire."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.postgres.server import Server
from tests.storm.moving.driver import Plan, Storm


def main(given: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python3 dev.py storm --move", description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=6, help="of the move, on each of the two ways")
    parser.add_argument("--producers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=None, help="of the moments; printed")
    parser.add_argument("--keep", action="store_true", help="keep the folder with databases and logs")
    arguments = parser.parse_args(given)
    seed = time.time_ns() % 1_000_000 if arguments.seed is None else arguments.seed
    folder = Path(tempfile.mkdtemp(prefix="windlass-moving-"))
    print(f"a move of {arguments.jobs:,} jobs there and back, seed {seed}, in {folder}", file=sys.stderr)
    plan = Plan(arguments.jobs, arguments.kills, arguments.producers, seed)
    with Server.made() as server, server.database() as name:
        legs = Storm(
            plan, folder, server.url(name), lambda text: print(text, file=sys.stderr, flush=True)
        ).run()
    wrong = 0
    for leg in legs:
        print(json.dumps(leg._asdict()))
        wrong += len(leg.faults)
    if wrong or arguments.keep:
        print(f"kept: {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
