"""A host of the storm: a service, and producers, in a network and under a host name of their own."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from pathlib import Path

from tests.storm import processes
from tests.storm.bases import PostgresBase
from tests.storm.fleet import START_FAILED, Fleet
from tests.storm.postgres.network import Network


class Host(Fleet):
    """The fleet of one host: ``folder`` is where its logs and its state are."""

    def __init__(
        self,
        name: str,
        folder: Path,
        network: Network,
        rng: random.Random,
        say: Callable[[str], None],
        extra: dict[str, str],
    ) -> None:
        self.name = name
        self.is_gone = False
        """Nothing runs on it and nothing is started until it is back."""
        self.was_shaken = False
        """The database was away since the service was started."""
        self._enter = network.enter(name)
        folder.mkdir()
        # What a service keeps beside a file it keeps here in its user's folders: those of another machine.
        home = {"HOME": str(folder), "XDG_STATE_HOME": str(folder / "state")}
        super().__init__(folder, rng, lambda text: say(f"{name}: {text}"), home | extra)
        self._names = {"h1": 0, "h2": 100_000, "h3": 200_000}[name]
        self.base = PostgresBase(extra["STORM_URL"])

    def start_service(self) -> None:
        self.was_shaken = False
        super().start_service()

    def mend(self) -> None:
        if self.is_gone:
            return
        service = self.service
        if service is not None and service.poll() == START_FAILED and self.was_shaken:
            # A service that cannot reach its database when it starts says so and ends: right of it.
            self.under_fire += 1
            self.start_service()
        super().mend()

    def vanish(self) -> list[int]:
        """Every process of it ends at once; who they were."""
        self.is_gone = True
        everybody = self.running()
        processes.send(everybody, signal.SIGKILL, self.folder)
        return everybody

    def running(self) -> list[int]:
        """Every process of this host."""
        return processes.belonging_to(self.folder)

    def come_back(self) -> None:
        self.is_gone = False
        self.mend()

    def _before(self) -> list[str]:
        return self._enter
