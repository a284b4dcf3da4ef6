"""``python -m tests.storm --kills 2000``: a storm, and what an outside checker says about it."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.storm.driver import Outcome, Plan, Storm


def main(given: list[str] | None = None) -> int:
    given = sys.argv[1:] if given is None else given
    if "--powercut" in given:
        from tests.powercut.__main__ import main as powercut

        return powercut([word for word in given if word != "--powercut"])
    if "--sync" in given:
        from tests.storm.sync.__main__ import main as sync

        return sync([word for word in given if word != "--sync"])
    if "--move" in given:
        from tests.storm.moving.__main__ import main as moving

        return moving([word for word in given if word != "--move"])
    if "--postgres" in given:
        from tests.storm.postgres.__main__ import main as postgres

        return postgres([word for word in given if word != "--postgres"])
    parser = argparse.ArgumentParser(prog="python3 dev.py storm", description=__doc__)
    parser.add_argument("--kills", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=None, help="of the moments and victims; printed")
    parser.add_argument("--seconds-limit", type=float, default=1800.0, help="end the storm after this long")
    parser.add_argument("--mean-gap", type=float, default=0.1, help="seconds between kills, on average")
    parser.add_argument("--freezes", type=int, help="dispatchers stopped past their lease (kills / 1000)")
    parser.add_argument("--keep", action="store_true", help="keep the folder with database and logs")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a report")
    parser.add_argument("--sync", action="store_true", help="replicas of one server; see tests/storm/sync")
    parser.add_argument("--postgres", action="store_true", help="three hosts, two servers; see its folder")
    parser.add_argument("--move", action="store_true", help="windlass move, killed; see tests/storm/moving")
    parser.add_argument("--powercut", action="store_true", help="cut the power instead; see tests/powercut")
    arguments = parser.parse_args(given)
    seed = time.time_ns() % 1_000_000 if arguments.seed is None else arguments.seed
    plan = Plan(
        kills=arguments.kills,
        seed=seed,
        seconds_limit=arguments.seconds_limit,
        mean_gap_s=arguments.mean_gap,
        # Each costs more than the lease of 35 s: only where there is time.
        freezes=arguments.kills // 1000 if arguments.freezes is None else arguments.freezes,
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


def report(outcome: Outcome, seed: int) -> str:
    total = sum(outcome.kills.values())
    lines = [f"{total} kills in {outcome.seconds:.0f} s ({total / outcome.seconds:.1f}/s), seed {seed}"]
    lines += [f"  {kind:<28}{count:>10,}" for kind, count in outcome.kills.most_common()]
    lines.append("history")
    lines += [f"  {name:<28}{value:>10,}" for name, value in outcome.verdict.figures.items()]
    lines.append("verdict")
    found = outcome.verdict.kinds()
    for kind in ("lost", "unexpected", "double completion", "unexplained duplicate"):
        lines.append(f"  {kind:<28}{found.pop(kind, 0):>10,}")
    lines.append(f"  {'everything else':<28}{sum(found.values()):>10,}")
    lines += [f"FAULT {violation}" for violation in outcome.verdict.violations[:30]]
    return "\n".join(lines)


def as_dict(outcome: Outcome, seed: int) -> dict[str, object]:
    return {
        "seed": seed,
        "seconds": round(outcome.seconds, 1),
        "kills": dict(outcome.kills),
        "figures": outcome.verdict.figures,
        "violations": [str(violation) for violation in outcome.verdict.violations],
    }


if __name__ == "__main__":
    sys.exit(main())
