"""Whoever answers where a replica asks about a conflict, at random; each answer is written down."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.storm.journal import Journal
from tests.storm.sync.app import make_app
from tests.storm.sync.shape import FIELDS, Traits, connected, database
from windlass import Windlass
from windlass.errors import ResourceBusy, StoreError, SyncError

ASKS = "SELECT count(*) FROM windlass_sync_conflicts"


class Resolver:
    """A person at every replica."""

    def __init__(self, folder: Path, traits: list[Traits], log: Journal) -> None:
        self._folder = folder
        self._traits = traits
        self._log = log
        self._apps: dict[int, Windlass] = {}

    def answer_some(self, rng: random.Random, *, all_of_them: bool = False) -> None:
        """Some of the conflicts that wait now."""
        for one in self._traits:
            if (all_of_them or rng.random() < 0.1) and self._asks(one):
                app = self._apps.get(one.number)
                if app is None:
                    app = self._apps[one.number] = make_app(self._folder, one)
                for resource in app.sync:
                    for conflict in resource.conflicts():
                        if all_of_them or rng.random() < 0.5:
                            self._answer(one, resource, conflict, rng)

    def close(self) -> None:
        for app in self._apps.values():
            app.close()

    def _asks(self, one: Traits) -> bool:
        with closing(connected(database(self._folder, one.number))) as reader:
            return reader.execute(ASKS).fetchone()[0] > 0

    def _answer(self, one: Traits, resource: Any, waiting: Any, rng: random.Random) -> None:
        # As it stands now: while no push can look, what was edited since is not in the conflict's own words.
        seen = resource.sides(waiting.key)[waiting.key]
        mine, theirs = seen.mine, seen.theirs
        row = mine or theirs
        if row is None:
            return
        uid = row["uid"] if resource.name == "crates" else waiting.key
        choice: Any = rng.choice(("mine", "theirs", "both") if mine and theirs else ("mine", "theirs"))
        overruled = [*FIELDS, "crate"] if choice == "theirs" else []
        if choice == "both":
            overruled = [name for name in (*FIELDS, "crate") if name in mine and rng.random() < 0.5]
            choice = {**mine, **{name: theirs[name] for name in overruled if name in theirs}}
        told = {"replica": one.number, "table": resource.name, "uid": uid, "overruled": overruled}
        try:
            self._log.write("try", **told, choice=choice)
            resource.resolve(waiting.key, choice, seen=seen)
        except (ResourceBusy, SyncError, StoreError) as error:
            # It settled itself meanwhile, or a push goes on: it asks again where it still does.
            self._log.write("failed", **told, error=repr(error))
        else:
            self._log.write("decision", **told)
