"""``python3 dev.py storm --sync --rounds 1000``: a storm of sync, and what an outside checker says of it."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

from tests.storm.sync.checker import KINDS
from tests.storm.sync.driver import Outcome, Plan, Storm
from tests.storm.sync.planted import BUGS
from tests.storm.sync.shape import POLICIES, on_postgres


def main(given: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python3 dev.py storm --sync", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=None, help="of edits, victims and networks; printed")
    parser.add_argument("--replicas", type=int, default=4)
    parser.add_argument("--policy", action="append", choices=POLICIES, help="of the replicas, in turn")
    parser.add_argument("--calm-every", type=int, default=50, help="rounds after which all must become equal")
    parser.add_argument("--mean-gap", type=float, default=0.2, help="seconds of a round, on average")
    parser.add_argument("--seconds-limit", type=float, default=3600.0, help="end the storm after this long")
    parser.add_argument("--no-keys", action="store_true", help="the server does not know a resend for one")
    parser.add_argument("--plant", choices=sorted(BUGS), help="with this bug in every replica")
    parser.add_argument(
        "--postgres", action="store_true", help="replicas on a PostgreSQL server, not in files"
    )
    parser.add_argument("--keep", action="store_true", help="keep the folder with databases and logs")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a report")
    arguments = parser.parse_args(given)
    seed = time.time_ns() % 1_000_000 if arguments.seed is None else arguments.seed
    plan = Plan(
        rounds=arguments.rounds,
        seed=seed,
        replicas=arguments.replicas,
        policies=None if arguments.policy is None else tuple(arguments.policy),
        calm_every=arguments.calm_every,
        mean_gap_s=arguments.mean_gap,
        seconds_limit=arguments.seconds_limit,
        dedupes=not arguments.no_keys,
        plant=arguments.plant,
    )
    folder = Path(tempfile.mkdtemp(prefix="windlass-storm-sync-"))
    print(f"sync storm of {plan.rounds} rounds, seed {seed}, in {folder}", file=sys.stderr, flush=True)
    with on_postgres(folder, plan.replicas) if arguments.postgres else nullcontext():
        outcome = Storm(plan, folder, lambda text: print(text, file=sys.stderr, flush=True)).run()
    print(json.dumps(as_dict(outcome, seed)) if arguments.json else report(outcome, seed))
    if outcome.verdict.violations or arguments.keep:
        print(f"kept: {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    return 1 if outcome.verdict.violations or outcome.rounds < plan.rounds else 0


def report(outcome: Outcome, seed: int) -> str:
    total = sum(outcome.kills.values())
    lines = [f"{outcome.rounds} rounds, {total} kills in {outcome.seconds:.0f} s, seed {seed}"]
    lines += [f"  {kind:<34}{count:>10,}" for kind, count in outcome.kills.most_common()]
    lines.append("history")
    lines += [f"  {name:<34}{value:>10,}" for name, value in outcome.verdict.figures.items()]
    lines.append("verdict")
    found = outcome.verdict.kinds()
    for kind in KINDS:
        lines.append(f"  {kind:<34}{found.pop(kind, 0):>10,}")
    lines.append(f"  {'everything else':<34}{sum(found.values()):>10,}")
    lines += [f"FAULT {violation}" for violation in outcome.verdict.violations[:30]]
    return "\n".join(lines)


def as_dict(outcome: Outcome, seed: int) -> dict[str, object]:
    return {
        "seed": seed,
        "rounds": outcome.rounds,
        "seconds": round(outcome.seconds, 1),
        "kills": dict(outcome.kills),
        "figures": outcome.verdict.figures,
        "violations": [str(violation) for violation in outcome.verdict.violations],
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
