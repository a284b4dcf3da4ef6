"""What the simulation is given, and what it tells."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

DAY_S = 86_400


@dataclass(frozen=True)
class Costs:
    """What a server spends. Processor times are of one core, in seconds, as ``costs.py`` measures them."""

    enqueue_s: float
    """One job, in a commit of its own."""
    turn_s: float
    """A settle-and-claim that settles and claims nothing …"""
    settle_s: float
    """… for each job that it settles …"""
    claim_s: float
    """… and for each that it claims."""
    pulse_s: float
    """A dispatcher's sign of life."""
    prune_s: float
    """For each finished job that is deleted."""
    vacuum_s: float
    """For each job, with its three versions, that a vacuum clears away."""
    wal_bytes: float
    """For each job, from its enqueue to its end."""
    row_bytes: float
    """That each finished job takes, with its indexes."""

    @property
    def job_s(self) -> float:
        """For one job in all, where each turn settles one and claims one."""
        return self.enqueue_s + self.turn_s + self.settle_s + self.claim_s + self.prune_s + self.vacuum_s

    def as_json(self) -> dict[str, Any]:
        """The same as numbers by name."""
        return asdict(self)


@dataclass(frozen=True)
class Load:
    """Who asks for what."""

    hosts: int = 1000
    jobs_per_day: float = 1e9
    peak: float = 2.5
    """The busiest hour has so many times the mean."""
    run_s: float = 0.2
    """How long a job runs."""
    workers: int = 16
    """Jobs that a host runs at once."""

    @property
    def rate(self) -> float:
        """Jobs a second at the peak, over all hosts."""
        return self.jobs_per_day / DAY_S * self.peak


@dataclass(frozen=True)
class Cluster:
    """Databases, each with queues of its own, and hosts that are pinned to one of them."""

    databases: int = 4
    cores: int = 16
    """Of each database."""
    flush_s: float = 0.001
    """One flush of the write-ahead log; who comes meanwhile shares the next."""
    wal_bytes_s: float = 200e6
    """What the log's disk takes, in bytes a second."""
    turn_gap_s: float = 0.01
    """A dispatcher gathers for so long before its next turn."""

    def of(self, databases: int) -> Cluster:
        """The same with another number of databases."""
        return replace(self, databases=databases)


@dataclass(frozen=True)
class Told:
    """What came of it."""

    jobs: int
    seconds: float
    busy: float
    """Part of the databases' processors that was in use."""
    wal_busy: float
    """Part of what the log's disk takes."""
    wait_p50_s: float
    """From a job's enqueue to its claim."""
    wait_p99_s: float
    turn_p99_s: float
    """From a turn's request to its commit."""
    batch: float
    """Jobs that one turn claimed, on the average of those that claimed any."""
    backlog: int
    """Jobs that were ready at the end."""
    connections: int
    """Of each database, where every dispatcher and listener has its own."""

    @property
    def holds(self) -> bool:
        """It kept up: what came in went out, and nobody waited for seconds."""
        return self.backlog < 2 * self.jobs / self.seconds and self.wait_p99_s < 2
