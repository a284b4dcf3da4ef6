"""The servers of a storm: one that takes writes, one that follows it, and a pooler before the first."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.postgres.bouncer import Bouncer, before
from tests.postgres.server import PORT, ROLE, Server
from tests.postgres.standby import following
from tests.storm.postgres.network import Network

PLACES = ("db1", "db2")
POOLER = "pool"
IN_COMMIT = "wait_event = 'SyncRep'"
"""What the server says of a session whose commit waits for the standby."""
DATABASE = "storm"


class Cluster:
    """``primary`` takes writes; after a failover it is the other of the two."""

    def __init__(self, network: Network, version: str, settings: Mapping[str, str]) -> None:
        self._network = network
        self._version = version
        self._settings = {"max_connections": "200", **settings}
        self._stack = ExitStack()
        self.primary: Server
        self.standby: Server
        self.bouncer: Bouncer
        self.back_at = 0
        """Since when every host could reach it again (wall clock, ns)."""
        self.logs: list[str] = []
        """What servers logged whose folders are gone."""

    @classmethod
    @contextmanager
    def of(
        cls, network: Network, version: str, settings: Mapping[str, str] | None = None
    ) -> Generator[Cluster]:
        cluster = cls(network, version, settings or {})
        with cluster._stack:
            cluster._build()
            yield cluster

    def _build(self) -> None:
        here = self._network
        self.primary = self._stack.enter_context(
            Server.made(
                self._version,
                settings=self._settings,
                address=here.address(PLACES[0]),
                prefix=here.enter(PLACES[0]),
            )
        )
        self.primary.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")
        self._follow(PLACES[1])
        self.bouncer = self._stack.enter_context(
            before(
                self.primary,
                pool=12,
                settings={"listen_addr": here.address(POOLER)},
                prefix=here.enter(POOLER),
            )
        )

    def _follow(self, place: str) -> None:
        address, prefix = self._network.address(place), self._network.enter(place)
        self.standby = self._stack.enter_context(
            following(self.primary, synchronous=True, address=address, prefix=prefix)
        )

    def url(self) -> str:
        """The database on whichever server takes writes."""
        places = ",".join(f"{self._network.address(place)}:{PORT}" for place in PLACES)
        login = f"{ROLE}:{self.primary.password}"
        return f"postgresql://{login}@{places}/{DATABASE}?target_session_attrs=read-write"

    def pooled_url(self) -> str:
        """The same by way of the pooler."""
        return f"postgresql://{ROLE}@{self._network.address(POOLER)}:{PORT}/{DATABASE}?connect_timeout=5"

    def local_url(self) -> str:
        """The same by the socket, which no network cuts, as the superuser."""
        return self.primary.url(DATABASE, user="postgres")

    # ── what happens to it ───────────────────────────────────────────────────────────────────────
    def crash(self) -> None:
        """``pg_ctl -m immediate``, and a new start."""
        self.primary.restart("immediate")
        self.back_at = time.time_ns()

    def fail_over(self, *, silent: bool = False) -> None:
        """The server is lost, its standby takes its place, and a new one follows that.

        Silent: its machine is gone from the network, too. Who is connected is told nothing, and who tries to
        connect there gets no answer until it is healed.
        """
        lost, place = self.primary, PLACES[self._number_of(self.primary)]
        if silent:
            self._network.cut(place)
        lost.stop("immediate")
        self.standby.promote()
        self.primary = self.standby
        # Nobody follows it yet: until then its commits wait for nobody.
        self.bouncer.restart(to=self.primary)
        self.back_at = time.time_ns()
        self.logs.append(lost.log())
        self._follow(place)

    def _number_of(self, server: Server) -> int:
        return [self._network.address(place) for place in PLACES].index(server.address or "")

    def terminate(self, *, in_commit: bool) -> int:
        """Ends sessions: those that wait for their commit to be on the standby, or all."""
        return self.primary.terminate(DATABASE, where=IN_COMMIT if in_commit else "true")

    @contextmanager
    def mute_standby(self) -> Generator[None]:
        """What takes the log to the standby stands still: whoever commits now waits."""
        receivers = [pid for (pid,) in self.standby.execute("SELECT pid FROM pg_stat_wal_receiver")]
        try:
            self._signal(receivers, signal.SIGSTOP)
            yield
        finally:
            self._signal(receivers, signal.SIGCONT)

    @staticmethod
    def _signal(pids: list[int], number: signal.Signals) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):  # it has lost its server, and another will come
                os.kill(pid, number)

    def in_commit(self) -> int:
        """How many sessions wait so."""
        found = self.primary.execute(f"SELECT count(*) FROM pg_stat_activity WHERE {IN_COMMIT}")
        return int(found[0][0])

    def keep_logs(self, folder: Path) -> None:
        """Writes what all servers and the pooler have logged beside the rest of the storm."""
        logs = [*self.logs, self.primary.log(), self.standby.log(), self.bouncer.log()]
        (folder / "servers.log").write_text("\n\n".join(logs), encoding="utf-8")
