"""Who dispatches: rows of dispatchers, and switches of their hosts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from windlass.store.hosts import DispatcherRow, HostSwitch, Standing
from windlass.store.relational.base import Role
from windlass.store.relational.statements import SQL


class Hosting(Role):
    """The verbs of ``windlass.store.hosts``, for a database that one machine uses."""

    @property
    def pulse_every_s(self) -> float | None:
        return None

    def register(
        self,
        *,
        host: str,
        pid: int,
        lock_file: str,
        version: str,
        mode: str,
        job_keys: Sequence[str] | None,
        own_keys: Sequence[str] = (),
        labels: Sequence[str] = (),
    ) -> int:
        # Behind those that have handlers, null stands for whatever a fallback takes.
        known = [*own_keys, None] if job_keys is None else list(job_keys)
        keys = None if known == [None] else json.dumps(known)
        told = json.dumps(list(labels)) if labels else None
        moment = self.clock.wall_us()
        with self.database.write(full=True) as connection:
            # Whoever starts one wants it to work: to drain is to end what runs now.
            if connection.execute(SQL["end_drain"], (host,)).rowcount:
                connection.execute(SQL["forget_hosts"])
            cursor = connection.execute(
                SQL["register"],
                (host, pid, self.clock.boot_id(), lock_file, moment, version, mode, keys, told),
            )
            return cursor.lastrowid or 0

    def unregister(self, owner: int) -> None:
        with self.database.write(full=False) as connection:
            connection.execute(SQL["unregister"], (owner,))
            connection.execute(SQL["forget_device"], (owner,))

    def dispatchers(self) -> list[DispatcherRow]:
        with self.database.read() as connection:
            rows = connection.execute(SQL["dispatchers"]).fetchall()
        return [_row(row) for row in rows]

    def pulse(self, owner: int, host: str) -> Standing:
        with self.database.read() as connection:
            known, paused, draining = connection.execute(SQL["standing"], (owner, host)).fetchone()
        return Standing(bool(known), True, bool(paused), bool(draining))

    def orphans(self) -> list[int]:
        with self.database.read() as connection:
            return [row[0] for row in connection.execute(SQL["orphans"]).fetchall()]

    def hosts(self) -> list[HostSwitch]:
        with self.database.read() as connection:
            rows = connection.execute(SQL["hosts"]).fetchall()
        return [HostSwitch(row[0], bool(row[1]), bool(row[2])) for row in rows]

    def set_host(self, host: str, *, paused: bool | None = None, draining: bool | None = None) -> None:
        values = {
            "host": host,
            "paused": None if paused is None else int(paused),
            "draining": None if draining is None else int(draining),
        }
        with self.database.write(full=True) as connection:
            connection.execute(SQL["set_host"], values)
            connection.execute(SQL["forget_hosts"])
        self.ring()


def _row(row: Any) -> DispatcherRow:
    known = _names(row[8]) if row[8] is not None else (None,)
    own = tuple(key for key in known if key is not None)
    return DispatcherRow(
        id=row[0], host=row[1], pid=row[2], boot_id=row[3], lock_file=row[4], started_at_us=row[5],
        version=row[6], mode=row[7], job_keys=None if None in known else own, own_keys=own,
        labels=tuple(filter(None, _names(row[9]))), silent_us=row[10],
    )  # fmt: skip


def _names(text: str | None) -> tuple[str | None, ...]:
    return () if text is None else tuple(json.loads(text))
