"""``python3 dev.py scale``: what a server spends, and a thousand hosts that work on one, two, four …"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.scale.model import DAY_S, Cluster, Costs, Load, Told
from benchmarks.scale.simulation import Simulation

_COLUMNS = (
    "databases", "jobs/s", "busy", "log busy", "wait p50", "wait p99", "turn p99", "jobs a turn", "holds",
)  # fmt: skip


def main(arguments: list[str]) -> int:
    """Prints the costs, and a line for each number of databases."""
    parser = argparse.ArgumentParser(prog="dev.py scale", description=__doc__)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--per-day", type=float, default=1e9, help="jobs a day")
    parser.add_argument("--peak", type=float, default=2.5, help="the busiest hour, as a multiple of the mean")
    parser.add_argument("--cores", type=int, default=16, help="of each database")
    parser.add_argument("--databases", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--seconds", type=float, default=5, help="simulated")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--costs", type=Path, help="use these, as printed before, and measure nothing")
    given = parser.parse_args(arguments)
    if given.costs is not None:
        costs = Costs(**json.loads(given.costs.read_text(encoding="utf-8")))
    else:
        from benchmarks.scale.costs import measured

        costs = measured()
    print(json.dumps(costs.as_json(), indent=2))
    load = Load(hosts=given.hosts, jobs_per_day=given.per_day, peak=given.peak)
    most = given.cores / costs.job_s
    print(
        f"\na database of {given.cores} cores, a job a turn: {most:,.0f} jobs/s, {most * DAY_S:.2g} a day\n"
    )
    print(f"| {' | '.join(_COLUMNS)} |\n|{'---|' * len(_COLUMNS)}")
    for databases in given.databases:
        cluster = Cluster(databases=databases, cores=given.cores)
        run = Simulation(costs, load, cluster, seconds=given.seconds, seed=given.seed)
        print(_line(databases, run.run()), flush=True)
    return 0


def _line(databases: int, told: Told) -> str:
    cells = (
        databases, f"{told.jobs / told.seconds:,.0f}", f"{told.busy:.0%}", f"{told.wal_busy:.0%}",
        *(f"{value * 1000:.1f} ms" for value in (told.wait_p50_s, told.wait_p99_s, told.turn_p99_s)),
        f"{told.batch:.1f}", "yes" if told.holds else f"no: {told.backlog:,} wait",
    )  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
