"""A PostgreSQL server of the tests' own."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlencode

import psycopg

from tests.postgres.programs import MAIN, Programs, give, programs

PREFIX = "wpg-"
"""Of the folders under /tmp. Short: the path of a socket has 108 bytes at most."""
PATIENCE_S = 60.0
PORT = 5432
"""Of a socket it is only the end of a name, so that all servers have the same."""
ROLE = "app"
"""Who owns the tests' databases: an ordinary user, as a program's is."""
SUPERUSER = "postgres"

HBA = """\
local all         all     trust
local replication all     trust
host  all         all all scram-sha-256
host  replication all all scram-sha-256
"""
SETTINGS = {
    "shared_buffers": "32MB",
    "max_connections": "120",
    "log_line_prefix": "%m [%p] %a %d ",
    "log_min_messages": "warning",
}


class Server:
    """One server in a folder of its own; ``with Server.made() as server`` is gone afterwards.

    It listens on a Unix socket, and on ``address`` where one is given (loopback, or one of a network
    namespace), where it asks for a password. ``fsync`` is on, so what a crash leaves is real.

    It dies with the thread that starts it, at once and as in a crash: start it from the main thread.
    """

    def __init__(self, folder: Path, used: Programs, *, password: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.programs = used
        self.password = password
        self.address: str | None = None
        self.port = PORT
        self.prefix: list[str] = []
        """Before the command of the server: ``ip netns exec NAME``, say."""
        self._process: subprocess.Popen[bytes] | None = None
        self._owner: IO[str] | None = None
        self._created = 0

    @classmethod
    @contextmanager
    def made(
        cls,
        version: str = MAIN,
        *,
        settings: Mapping[str, str] | None = None,
        address: str | None = None,
        port: int = PORT,
        prefix: list[str] | None = None,
    ) -> Generator[Server]:
        """A new server, running. ``settings`` go to ``postgresql.conf`` as they are."""
        with cls.folder_for(programs(version)) as server:
            server.address, server.port, server.prefix = address, port, prefix or []
            server.initialize(SETTINGS | dict(settings or {}))
            server.start()
            server.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{server.password}'")
            yield server

    @classmethod
    @contextmanager
    def folder_for(cls, used: Programs, *, password: str | None = None) -> Generator[Server]:
        """A folder without a server in it yet; whatever runs in it afterwards is ended."""
        sweep()
        server = cls(
            Path(tempfile.mkdtemp(prefix=PREFIX, dir="/tmp")),
            used,
            password=password or secrets.token_hex(12),
        )
        server.folder.chmod(0o755)
        give(server.folder)
        server.owned()
        try:
            yield server
        finally:
            server.end()

    # ── life ─────────────────────────────────────────────────────────────────────────────────────
    def owned(self) -> None:
        # A record lock: it dies with this process, and no child that a test forks and forgets inherits it.
        new = self.folder / "owner.new"
        self._owner = new.open("w", encoding="ascii")
        fcntl.lockf(self._owner, fcntl.LOCK_EX)
        # Only now by the name that others look for.
        new.rename(self.folder / "owner")

    def initialize(self, settings: Mapping[str, str]) -> None:
        """``initdb``. Not synced: what it makes is thrown away if it should not last."""
        secret = self.folder / "password"
        secret.write_text(self.password, encoding="ascii")
        self.programs.run(
            "initdb", "--pgdata", self.data, "--username", SUPERUSER, "--pwfile", secret,
            "--encoding=UTF8", "--locale=C", "--auth=scram-sha-256", "--no-sync",
        )  # fmt: skip
        (self.data / "pg_hba.conf").write_text(HBA, encoding="ascii")
        self.configure(settings)

    def configure(self, settings: Mapping[str, str]) -> None:
        """Adds to ``postgresql.conf``; ``reload`` or a new start makes it so."""
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as file:
            for name, value in settings.items():
                file.write(f"{name} = '{value}'\n")

    def start(self, *, wait: bool = True) -> None:
        """Starts it, and waits until it takes connections."""
        assert not self.is_running(), "it runs already"
        options = ["-D", self.data, "-k", self.folder, "-p", str(self.port), "-h", self.address or ""]
        command = [*self.prefix, *self.programs.command("postgres", *options)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        if wait:
            self.until_ready()

    def until_ready(self) -> None:
        """Waits until it takes connections, also one that has to recover first."""
        deadline = time.monotonic() + PATIENCE_S
        while not self._is_ready():
            if not self.is_running() or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{self.log()[-3000:]}")
            wait_a_moment()

    def _is_ready(self) -> bool:
        try:
            status = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return False
        assert self._process is not None
        # The process that setpriv becomes: a file of the one that crashed says nothing.
        return len(status) > 7 and int(status[0]) == self._process.pid and status[7].strip() in READY

    def is_running(self) -> bool:
        """True as long as the server's first process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The server's first process: ``kill -9`` of it is a crash that not even the server notices."""
        assert self._process is not None
        return self._process.pid

    def stop(self, mode: str = "fast") -> None:
        """``pg_ctl stop``: ``smart`` waits for all, ``fast`` sends them away, ``immediate`` is a crash."""
        if self.is_running():
            self.programs.run("pg_ctl", "stop", "-D", self.data, "-m", mode, "-t", str(int(PATIENCE_S)))
        assert self._process is not None
        self._process.wait(PATIENCE_S)

    def restart(self, mode: str = "fast") -> None:
        """Stops it as told, and starts it again: after ``immediate`` it recovers from its log."""
        self.stop(mode)
        self.start()

    def kill(self) -> None:
        """``kill -9`` of the first process; its children see that it is gone and end."""
        os.kill(self.pid, signal.SIGKILL)
        assert self._process is not None
        self._process.wait(PATIENCE_S)

    def reload(self) -> None:
        """Has it read its settings again."""
        self.execute("SELECT pg_reload_conf()")

    def promote(self) -> None:
        """Makes a standby a server in its own right."""
        self.programs.run("pg_ctl", "promote", "-D", self.data, "-t", str(int(PATIENCE_S)))

    def end(self) -> None:
        """Stops it as a crash does, and removes its folder."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            try:
                self._process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        # Its children may still be on their way out, and write their last lines.
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._owner is not None:
            self._owner.close()

    # ── use ──────────────────────────────────────────────────────────────────────────────────────
    def url(self, database: str = "postgres", *, user: str = ROLE, tcp: bool = False, **options: str) -> str:
        """The URL of a database, by the socket or (``tcp``) by the address; options are libpq's."""
        where = f"/{quote(database)}"
        if tcp:
            assert self.address is not None, "it listens on no address"
            base = f"postgresql://{user}:{self.password}@{self.address}:{self.port}{where}"
        else:
            base = f"postgresql://{user}@{where}"
            options = {"host": str(self.folder), "port": str(self.port)} | options
        return f"{base}?{urlencode(options, safe='/,')}" if options else base

    def execute(
        self, sql: Any, parameters: Any = None, *, database: str = "postgres"
    ) -> list[tuple[Any, ...]]:
        """One statement as the superuser, in a transaction of its own; its rows, if it has any."""
        with psycopg.connect(self.url(database, user=SUPERUSER), autocommit=True) as connection:
            cursor = connection.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def database(self) -> Generator[str]:
        """The name of an empty database, which is dropped afterwards, whoever is still connected."""
        self._created += 1
        name = f"t{self._created}_{secrets.token_hex(3)}"
        self.execute(f"CREATE DATABASE {name} OWNER {ROLE} TEMPLATE template0")
        try:
            yield name
        finally:
            if not self.is_running():
                self.start()
            self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def terminate(self, database: str | None = None, *, where: str = "true") -> int:
        """``pg_terminate_backend`` for everybody in a database (else in all); so many there were."""
        ended = self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            f" AND pid <> pg_backend_pid() AND coalesce(datname = %s, true) AND {where}",
            [database],
        )
        return len(ended)

    def sessions(self, database: str) -> int:
        """How many are connected to a database."""
        return int(self.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [database])[0][0])

    def log(self) -> str:
        """What it has logged."""
        path = self.folder / "log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


READY = frozenset({"ready", "standby"})


def sweep() -> None:
    """Removes what runs have left behind whose processes are gone."""
    for folder in Path("/tmp").glob(f"{PREFIX}*"):
        owner = folder / "owner"
        with suppress(OSError):  # another's, or removed while we look
            if owner.stat().st_uid != os.geteuid() or folder in _ours():
                continue
            with owner.open("r+", encoding="ascii") as gate:
                fcntl.lockf(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
                end_leftover(folder)
                shutil.rmtree(folder, ignore_errors=True)


def _ours() -> set[Path]:
    """The folders that this process itself has locked: another look at them would end its lock."""
    found: set[Path] = set()
    for handle in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # closed meanwhile
            target = Path(os.readlink(f"/proc/self/fd/{handle}"))
            if target.name == "owner":
                found.add(target.parent)
    return found


def end_leftover(folder: Path) -> None:
    """A server that was told to die with its starter, and has not yet."""
    with suppress(FileNotFoundError, ProcessLookupError, ValueError):  # then there is none
        pid = int((folder / "data" / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
        handle = os.pidfd_open(pid)
        try:
            if str(folder) in Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8"):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)


def wait_a_moment() -> None:
    """Between two looks at a condition."""
    time.sleep(0.01)
