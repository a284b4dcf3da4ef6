"""``python -m tests.powercut``: cuts the power and fails the disk everywhere, and shows that it can tell."""

from __future__ import annotations

import argparse
import sys
import time

from tests.powercut.launch import CannotReplay, Found, faults, replay


def main(given: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.powercut", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=12, help="how often chance is asked at each cut (12)")
    arguments = parser.parse_args(given)
    chance = ("--seed", str(arguments.seed), "--rounds", str(arguments.rounds))
    began = time.monotonic()
    try:
        print(f"power cuts at every write and sync, seed {arguments.seed}, {arguments.rounds} rounds\n")
        kept = _table("durability full", list(replay(*chance)))
        fast = _table(
            "durability fast: may lose, must stay sound", list(replay("--durability", "fast", *chance[:2]))
        )
        lying = _table("a disk that only says it synced", list(replay("--lying-disk", *chance[:2])))
        wrong = _faults()
    except CannotReplay as error:
        print(error, file=sys.stderr)
        return 2
    wrong += [fault for found in kept for fault in found.faults]
    wrong += [fault for found in fast for fault in (*found.contradictions, *found.damages)]
    if not any(found.losses for found in fast):
        wrong.append("durability fast lost nothing: the replay cannot tell a loss")
    if not any(found.damages for found in lying):
        wrong.append("a lying disk damaged nothing: the replay cannot tell damage")
    for fault in wrong[:20]:
        print(f"FAULT {fault}")
    print(f"{len(wrong)} faults, {time.monotonic() - began:.0f} s")
    return 1 if wrong else 0


def _faults() -> list[str]:
    print(
        f"{'a disk that fails for a while':<44}{'operations':>14}{'voyages':>14}{'errors':>14}{'untrue':>14}"
    )
    wrong: list[str] = []
    for found in faults():
        figures = (found.length, found.voyages, sum(found.errors.values()), len(found.wrong))
        print(f"  {found.fault:<42}" + "".join(f"{figure:>14,}" for figure in figures), flush=True)
        wrong += found.wrong
    print()
    return wrong


def _table(title: str, results: list[Found]) -> list[Found]:
    columns = ("cuts", "images", "reopened", "lost", "contradictory", "damaged")
    print(f"{title:<44}" + "".join(f"{column:>14}" for column in columns))
    rows = [(found.script, _figures(found)) for found in results]
    rows.append(("all", [sum(column) for column in zip(*(figures for _, figures in rows), strict=True)]))
    for script, figures in rows:
        print(f"  {script:<42}" + "".join(f"{figure:>14,}" for figure in figures), flush=True)
    print()
    return results


def _figures(found: Found) -> list[int]:
    bad = (found.losses, found.contradictions, found.damages)
    return [found.cuts, found.images, found.reopened, *map(len, bad)]


if __name__ == "__main__":
    sys.exit(main())
