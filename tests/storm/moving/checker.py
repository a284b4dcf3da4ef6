"""What both sides of a move have, against what producers were told."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.storm.journal import entries

Rows = Mapping[str, list[tuple[Any, ...]]]


def told(folder: Path) -> tuple[set[str], set[str], int]:
    """What producers tried, what was acknowledged, and how many of them were turned away at last."""
    tried: set[str] = set()
    acknowledged: set[str] = set()
    turned_away = 0
    for path in sorted(folder.glob("producer-*.log")):
        for line in entries(path):
            if line["what"] == "try":
                tried.add(line["uid"])
            elif line["what"] == "ack":
                acknowledged.add(line["uid"])
            elif line["what"] == "moved":
                turned_away += 1
    return tried, acknowledged, turned_away


def faults(
    source: Rows, target: Rows, payloads: Iterable[str | None], known: set[str], tried: set[str]
) -> list[str]:
    """Whatever is wrong; empty: each job is there once, as it was."""
    found: list[str] = []
    for table, rows in source.items():
        here, there = Counter(rows), Counter(target[table])
        gone, new = list((here - there).elements()), list((there - here).elements())
        found += [f"lost or changed in {table}: {row!r:.300}" for row in gone[:3]]
        found += [f"unexpected in {table}: {row!r:.300}" for row in new[:3]]
    uids = Counter(json.loads(text)["uid"] for text in payloads if text and "uid" in text)
    found += [f"lost: {uid} was acknowledged" for uid in sorted(known - uids.keys())[:10]]
    found += [f"double: {uid} is there {count} times" for uid, count in uids.items() if count > 1][:10]
    found += [f"unexpected: nobody made {uid}" for uid in sorted(uids.keys() - known - tried)[:10]]
    return found
