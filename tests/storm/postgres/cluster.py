"""The servers of a storm: one that takes writes, one that follows it, and a pooler before the first."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.postgres.bouncer import Bouncer, before
from tests.postgres.server import PORT, ROLE, Server
from tests.postgres.standby import following
from tests.storm.postgres.network import Network

PLACES = ("db1", "db2")
POOLER = "pool"
DATABASE = "storm"


class Cluster:
    """``primary`` takes writes; after a failover it is the other of the two."""

    def __init__(self, network: Network, version: str) -> None:
        self._network = network
        self._version = version
        self._stack = ExitStack()
        self.primary: Server
        self.standby: Server
        self.bouncer: Bouncer
        self.logs: list[str] = []
        """What servers logged whose folders are gone."""

    @classmethod
    @contextmanager
    def of(cls, network: Network, version: str) -> Generator[Cluster]:
        cluster = cls(network, version)
        with cluster._stack:
            cluster._build()
            yield cluster

    def _build(self) -> None:
        here = self._network
        self.primary = self._stack.enter_context(
            Server.made(
                self._version,
                settings={"max_connections": "200"},
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
        return f"postgresql://{login}@{places}/{DATABASE}?target_session_attrs=read-write&connect_timeout=5"

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

    def fail_over(self) -> None:
        """The server is lost, its standby takes its place, and a new one follows that."""
        lost, place = self.primary, PLACES[self._number_of(self.primary)]
        lost.stop("immediate")
        self.standby.promote()
        self.primary = self.standby
        # Nobody follows it yet: until then its commits wait for nobody.
        self.bouncer.restart(to=self.primary)
        self.logs.append(lost.log())
        self._follow(place)

    def _number_of(self, server: Server) -> int:
        return [self._network.address(place) for place in PLACES].index(server.address or "")

    def terminate(self, *, in_commit: bool) -> int:
        """Ends sessions: those that wait for their commit to be on the standby, or all."""
        return self.primary.terminate(DATABASE, where="wait_event = 'SyncRep'" if in_commit else "true")

    def keep_logs(self, folder: Path) -> None:
        """Writes what all servers and the pooler have logged beside the rest of the storm."""
        logs = [*self.logs, self.primary.log(), self.standby.log(), self.bouncer.log()]
        (folder / "servers.log").write_text("\n\n".join(logs), encoding="utf-8")
