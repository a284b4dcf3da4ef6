"""pgbouncer before a server, in transaction mode: a session lasts as long as a transaction, and no longer."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.postgres.programs import give, pgbouncer, unprivileged
from tests.postgres.server import PATIENCE_S, PORT, ROLE, SUPERUSER, Server, wait_a_moment

POOL = 4
"""Connections to the server, for however many clients."""


class Bouncer:
    """A running pgbouncer; every database of its server can be reached through it."""

    def __init__(self, server: Server, folder: Path, wanted: Mapping[str, str], prefix: list[str]) -> None:
        self.server = server
        self.folder = folder
        self._wanted = wanted
        self._prefix = prefix
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it, and waits until it takes connections."""
        self._write()
        # In the background of a shell it would be deaf to SIGQUIT.
        program = unprivileged([pgbouncer(), str(self.folder / "pgbouncer.ini")], ended_by="KILL")
        command = [*self._prefix, *program]
        with (self.folder / "bouncer.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + PATIENCE_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"pgbouncer did not start:\n{self.log()[-3000:]}")
            wait_a_moment()

    def _write(self) -> None:
        lines = [f"{name} = {value}" for name, value in self._wanted.items()]
        databases = f"* = host={self.server.folder} port={self.server.port}"
        ini = "\n".join(["[databases]", databases, "[pgbouncer]", *lines, ""])
        (self.folder / "pgbouncer.ini").write_text(ini, encoding="utf-8")
        (self.folder / "users.txt").write_text(f'"{ROLE}" ""\n"{SUPERUSER}" ""\n', encoding="utf-8")

    def _answers(self) -> bool:
        try:
            self.ask("SHOW VERSION")
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """Ends it as a crash does: every client loses its connection at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE_S)
            self._process = None

    def restart(self, *, to: Server | None = None) -> None:
        """A crash, and a new start; from then on it may lead to another server."""
        self.stop()
        self.server = to or self.server
        self.start()

    def url(self, database: str, **options: str) -> str:
        """As ``Server.url()``, by way of the pooler."""
        return self.server.url(database, **({"host": str(self.folder)} | options))

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """A statement of pgbouncer's own console: ``SHOW POOLS``, ``RECONNECT``, ``PAUSE`` …"""
        url = self.server.url("pgbouncer", user=SUPERUSER, host=str(self.folder))
        # The console knows the simple protocol alone.
        with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def log(self) -> str:
        """What it has logged."""
        return (self.folder / "bouncer.log").read_text(encoding="utf-8", errors="replace")


@contextmanager
def before(
    server: Server,
    *,
    mode: str = "transaction",
    pool: int = POOL,
    settings: Mapping[str, str] | None = None,
    prefix: list[str] | None = None,
) -> Generator[Bouncer]:
    """A pgbouncer in a folder within the server's; ``settings`` go to its ``[pgbouncer]``."""
    # Its path stays short enough for a socket.
    folder = server.folder / f"b{len(list(server.folder.glob('b*')))}"
    folder.mkdir()
    give(folder)
    wanted = {
        "listen_addr": "",
        "listen_port": str(PORT),
        "unix_socket_dir": str(folder),
        "auth_type": "trust",
        "auth_file": str(folder / "users.txt"),
        "admin_users": SUPERUSER,
        "pool_mode": mode,
        "default_pool_size": str(pool),
        "max_client_conn": "500",
        # What a program may set at its start though it shares its sessions; clients send it unasked.
        "ignore_startup_parameters": "extra_float_digits,options",
        "server_login_retry": "1",
    }
    bouncer = Bouncer(server, folder, wanted | dict(settings or {}), prefix or [])
    try:
        bouncer.start()
        yield bouncer
    finally:
        bouncer.stop()
