"""``python3 dev.py storm --postgres --kills 300``: hosts and servers under fire, and a verdict."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.postgres.programs import MAIN, NAMES
from tests.storm.postgres.driver import Plan, Storm
from tests.storm.postgres.planted import BUGS
from tests.storm.postgres.weather import SIGNS, seen


def planted() -> int:
    """A storm for each bug, or a few; 1 where the checker missed one."""
    folder = Path(tempfile.mkdtemp(prefix="windlass-storm-"))
    missed = 0
    for bug in SIGNS:
        began = time.monotonic()
        found = seen(bug, folder / bug, lambda text: print(text, file=sys.stderr, flush=True))
        seconds = time.monotonic() - began
        print(f"{bug:<34}{seconds:>6.0f} s  {'NOT SEEN' if found is None else found[:160]}", flush=True)
        missed += found is None
    print(f"kept: {folder}", file=sys.stderr)
    return int(missed > 0)


def main(given: list[str]) -> int:
    from tests.storm.__main__ import as_dict, report

    parser = argparse.ArgumentParser(prog="python3 dev.py storm --postgres", description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=None, help="of the moments and victims; printed")
    parser.add_argument("--seconds-limit", type=float, default=1800.0, help="end the storm after this long")
    parser.add_argument("--mean-gap", type=float, default=0.25, help="seconds between kills, on average")
    parser.add_argument("--failovers", type=int, help="times the standby takes over (kills / 100)")
    parser.add_argument("--vanishes", type=int, help="hosts gone for longer than a lease (kills / 150)")
    parser.add_argument("--freezes", type=int, help="hosts stopped for longer than a lease (kills / 150)")
    parser.add_argument("--version", choices=NAMES, default=MAIN, help="of PostgreSQL")
    parser.add_argument("--plant", choices=sorted(BUGS), help="with this bug on every host")
    parser.add_argument("--plants", action="store_true", help="each bug in turn: all must be caught")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a report")
    arguments = parser.parse_args(given)
    if os.geteuid() != 0:
        parser.error("hosts with networks of their own need root: python3 dev.py storm runs without")
    if arguments.plants:
        return planted()
    seed = time.time_ns() % 1_000_000 if arguments.seed is None else arguments.seed
    plan = Plan(
        kills=arguments.kills,
        seed=seed,
        seconds_limit=arguments.seconds_limit,
        mean_gap_s=arguments.mean_gap,
        version=arguments.version,
        plant=arguments.plant,
        # These take long: only where there is time.
        failovers=arguments.kills // 100 if arguments.failovers is None else arguments.failovers,
        vanishes=arguments.kills // 150 if arguments.vanishes is None else arguments.vanishes,
        freezes=arguments.kills // 150 if arguments.freezes is None else arguments.freezes,
    )
    folder = Path(tempfile.mkdtemp(prefix="windlass-storm-"))
    said = sys.stderr
    print(f"storm of {plan.kills} kills, seed {seed}, in {folder}", file=said, flush=True)
    outcome = Storm(plan, folder, lambda text: print(text, file=said, flush=True)).run()
    print(json.dumps(as_dict(outcome, seed)) if arguments.json else report(outcome, seed))
    if outcome.verdict.violations or arguments.keep:
        print(f"kept: {folder}", file=said)
    else:
        shutil.rmtree(folder)
    complete = sum(outcome.kills.values()) >= plan.kills
    if not complete:
        print(f"ended by --seconds-limit after {outcome.seconds:.0f} s", file=said)
    return 1 if outcome.verdict.violations or not complete else 0
