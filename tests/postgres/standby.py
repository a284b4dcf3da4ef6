"""A standby that follows a server by streaming, and takes its place when it is promoted."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.postgres.server import PORT, ROLE, SUPERUSER, Server
from tests.service.waiting import until

NAME = "standby"


@contextmanager
def following(
    primary: Server,
    *,
    synchronous: bool,
    address: str | None = None,
    port: int = PORT,
    prefix: list[str] | None = None,
) -> Generator[Server]:
    """A copy of ``primary`` that follows it. It reads; ``promote()`` makes it write.

    Synchronous: a commit is acknowledged once the standby has it on disk, so that a failover loses nothing
    that was acknowledged. Otherwise it may lose the last commits.
    """
    with Server.folder_for(primary.programs, password=primary.password) as standby:
        standby.address, standby.port, standby.prefix = address, port, prefix or []
        # By the socket: it is cut by stopping the primary, not by the networks that tests take apart.
        upstream = primary.url(user=SUPERUSER, application_name=NAME)
        primary.programs.run(
            "pg_basebackup", "-D", standby.data, "-d", upstream,
            "-R", "-X", "stream", "-c", "fast", "--no-sync",
        )  # fmt: skip
        standby.start()
        until(lambda: is_streaming(primary), patience_s=60)
        if synchronous:
            wait_for_standby(primary, yes=True)
        yield standby


def is_streaming(primary: Server) -> bool:
    """True while a standby follows."""
    return primary.execute("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") != [(0,)]


def wait_for_standby(primary: Server, *, yes: bool) -> None:
    """Has every commit wait for the standby (or no longer), from now on."""
    primary.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{NAME if yes else ''}'")
    primary.reload()
    wanted = [("sync" if yes else "async",)]
    until(lambda: primary.execute("SELECT sync_state FROM pg_stat_replication") == wanted, patience_s=60)


def both(first: Server, second: Server, database: str, *, tcp: bool = False) -> str:
    """The URL of a database on whichever of two servers takes writes."""
    if not tcp:
        hosts, ports = f"{first.folder},{second.folder}", f"{first.port},{second.port}"
        return first.url(database, host=hosts, port=ports, target_session_attrs="read-write")
    places = ",".join(f"{server.address}:{server.port}" for server in (first, second))
    return f"postgresql://{ROLE}:{first.password}@{places}/{database}?target_session_attrs=read-write"
