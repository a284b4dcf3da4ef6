"""``python -m tests.simulate --years 10``: years of schedules on a virtual clock, judged."""

from __future__ import annotations

import argparse
import gc
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.simulate.planted import BUGS, planted
from tests.simulate.run import Outcome, simulate
from tests.simulate.script import Weather

_DAYS_A_YEAR = 365.25
_SHOWN = 30


def main(given: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 dev.py simulate", description=__doc__)
    parser.add_argument("--years", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=None, help="of all that happens; printed")
    parser.add_argument("--plant", choices=sorted(BUGS), help="with this bug in the library")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a report")
    arguments = parser.parse_args(given)
    if not 0 < arguments.years <= 10:
        parser.error("--years: expected more than 0, and 10 at most")
    seed = time.time_ns() % 1_000_000 if arguments.seed is None else arguments.seed
    print(f"{arguments.years:g} years, seed {seed}", file=sys.stderr, flush=True)
    weather = of_years(arguments.years)
    folder = Path(tempfile.mkdtemp(prefix="windlass-simulate-", dir=_in_memory()))
    try:
        gc.disable()  # the log is long, and all of it is kept: there is nothing to be found in it
        with planted(arguments.plant):
            outcome = simulate(seed, weather, folder)
    finally:
        shutil.rmtree(folder)
    print(json.dumps(as_dict(outcome, seed)) if arguments.json else report(outcome, seed))
    return 1 if outcome.verdict.faults or outcome.problems else 0


def of_years(years: float) -> Weather:
    """As much of everything as in ten years, for a part of them."""
    full = Weather(days=10 * _DAYS_A_YEAR)
    share = years / 10
    fewer = {
        name: max(round(getattr(full, name) * share), 1)
        for name in ("suspends", "reboots", "jumps", "small_jumps", "outages", "edits")
    }
    return full._replace(days=years * _DAYS_A_YEAR, **fewer)


def report(outcome: Outcome, seed: int) -> str:
    figures = outcome.verdict.figures
    judging = f"{outcome.judging_s:.0f} s to judge them; seed {seed}, history {outcome.digest}"
    lines = [
        f"{outcome.days / _DAYS_A_YEAR:.1f} simulated years in {outcome.cpu_s:.0f} s of CPU, and {judging}"
    ]
    lines += [f"  {name:<28}{figures[name]:>10,}" for name in sorted(figures, key=lambda one: -figures[one])]
    lines.append("verdict")
    lines += [f"  {what:<28}{count:>10,}" for what, count in outcome.verdict.kinds().most_common()]
    lines.append(f"  {'faults':<28}{len(outcome.verdict.faults):>10,}")
    lines += [f"FAULT (seed {seed}) {fault}" for fault in outcome.verdict.faults[:_SHOWN]]
    lines += [f"LOGGED {text}" for text in outcome.problems[:_SHOWN]]
    return "\n".join(lines)


def as_dict(outcome: Outcome, seed: int) -> dict[str, object]:
    return {
        "seed": seed,
        "days": round(outcome.days, 1),
        "history": outcome.digest,
        "cpu_s": round(outcome.cpu_s, 1),
        "judging_s": round(outcome.judging_s, 1),
        "figures": outcome.verdict.figures,
        "faults": [str(fault) for fault in outcome.verdict.faults],
        "logged": outcome.problems,
    }


def _in_memory() -> str | None:
    """Where files cost no disk, if there is such a place: what is simulated here is time, not storage."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


if __name__ == "__main__":
    sys.exit(main())
