"""What happened in a storm, gathered from the logs and the final database."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.storm.journal import entries

AUDIT = """
CREATE TABLE IF NOT EXISTS storm_audit (
    seq INTEGER PRIMARY KEY, at_ms REAL, job_id INTEGER, old_status TEXT, new_status TEXT,
    old_token INTEGER, new_token INTEGER, attempts INTEGER);
CREATE TABLE IF NOT EXISTS storm_orders (uid TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS storm_effects (uid TEXT, job_id INTEGER, attempt INTEGER, pid INTEGER);
CREATE TRIGGER IF NOT EXISTS storm_saw_update
    AFTER UPDATE OF status, lease_token, attempts ON background_service_jobs
BEGIN
    INSERT INTO storm_audit (at_ms, job_id, old_status, new_status, old_token, new_token, attempts)
    VALUES ((julianday('now') - 2440587.5) * 86400000.0,
            NEW.id, OLD.status, NEW.status, OLD.lease_token, NEW.lease_token, NEW.attempts);
END;
CREATE TRIGGER IF NOT EXISTS storm_saw_delete AFTER DELETE ON background_service_jobs
BEGIN
    INSERT INTO storm_audit (at_ms, job_id, old_status, new_status, old_token, new_token, attempts)
    VALUES ((julianday('now') - 2440587.5) * 86400000.0,
            OLD.id, OLD.status, 'DELETED', OLD.lease_token, NULL, OLD.attempts);
END;
"""
"""Our own tables, and the triggers that see every change of a job."""

FINAL = frozenset({"COMPLETED", "FAILED", "CANCELLED"})


@dataclass(frozen=True, kw_only=True)
class Try:
    """A producer is about to enqueue."""

    uid: str
    kind: str
    """``single``, ``many``, ``transaction`` or ``foreign``."""
    plan: str = "ok"
    """What its handler will do: ``ok``, ``retry``, ``fail`` or ``tx``."""
    batch: str | None = None
    """Tries of one call: they exist together or not at all."""


@dataclass(kw_only=True)
class Run:
    """One execution of a handler, as the handler itself told it."""

    uid: str
    job_id: int
    attempt: int
    pid: int
    above: frozenset[int]
    """Its dispatcher and whoever keeps that alive: they die in one another's train."""
    start: int
    end: int | None = None
    how: str | None = None
    """``ok``, ``retry`` or ``fail``; None where it was cut off."""


@dataclass(frozen=True, kw_only=True)
class Kill:
    """What the driver did to some processes: mostly ``SIGKILL``."""

    kind: str
    pids: frozenset[int]
    begin: int
    end: int

    @property
    def is_freeze(self) -> bool:
        """They were stopped by ``SIGSTOP``, or cut off from the database, and went on afterwards."""
        return self.kind in ("freeze", "cut") or self.is_shock

    @property
    def is_shock(self) -> bool:
        """It was done to the database, and so to everybody who used it."""
        return self.kind in ("crash", "failover", "terminate", "pooler")


@dataclass(frozen=True, kw_only=True)
class JobRow:
    id: int
    uid: str
    status: str
    attempts: int
    max_attempts: int = 3
    last_error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Change:
    """One change of a job's row, seen by a trigger inside its transaction."""

    job_id: int
    at: int
    old_status: str
    new_status: str
    old_token: int | None
    new_token: int | None
    attempts: int


@dataclass(frozen=True, kw_only=True)
class Effect:
    """A row that a handler wrote inside ``ctx.transaction()``."""

    uid: str
    job_id: int
    attempt: int
    pid: int


@dataclass(kw_only=True)
class History:
    """Everything the checker may look at. Times are nanoseconds of the wall clock."""

    tries: dict[str, Try] = field(default_factory=dict[str, Try])
    acks: dict[str, list[int | None]] = field(default_factory=lambda: defaultdict(list))
    """Job ids acknowledged per uid; None where the producer's call tells no id."""
    absent: dict[str, str] = field(default_factory=dict[str, str])
    """Uids promised not to exist, with the reason."""
    runs: list[Run] = field(default_factory=list[Run])
    kills: list[Kill] = field(default_factory=list[Kill])
    jobs: list[JobRow] = field(default_factory=list[JobRow])
    changes: list[Change] = field(default_factory=list[Change])
    effects: list[Effect] = field(default_factory=list[Effect])
    orders: set[str] = field(default_factory=set[str])
    integrity: str = "ok"


def read(folder: Path, database: Path) -> History:
    """Reads all logs of a folder and the database they are about."""
    history = History()
    read_logs(history, folder)
    _read_database(history, database)
    return history


def read_logs(history: History, folder: Path) -> None:
    """Adds what producers, handlers and the driver have written into a folder."""
    for path in sorted(folder.glob("producer-*.log")):
        _read_producer(history, path)
    for path in sorted(folder.glob("handler-*.log")):
        _read_handler(history, path)
    kills = folder / "kills.log"
    if kills.exists():
        for line in entries(kills):
            history.kills.append(
                Kill(kind=line["kind"], pids=frozenset(line["pids"]), begin=line["begin"], end=line["end"])
            )
    history.runs.sort(key=lambda run: run.start)
    history.kills.sort(key=lambda kill: kill.begin)


def _read_producer(history: History, path: Path) -> None:
    for line in entries(path):
        match line["what"]:
            case "try":
                for uid, plan in line["jobs"]:
                    # A refused enqueue that is tried again may exist after all.
                    history.absent.pop(uid, None)
                    history.tries[uid] = Try(uid=uid, kind=line["kind"], plan=plan, batch=line.get("batch"))
            case "ack":
                for uid, job_id in line["jobs"]:
                    history.acks[uid].append(job_id)
            case "refused" | "rollback":
                for uid in line["uids"]:
                    history.absent[uid] = line["what"]
            case _:
                # Notes for people who read the log: an unknown outcome, an error's text.
                continue


def _read_handler(history: History, path: Path) -> None:
    # A list: where a bug lets one process run an attempt twice at once, that must be seen, too.
    going: dict[tuple[int, int], list[Run]] = defaultdict(list)
    for line in entries(path):
        key = (line["job"], line["attempt"])
        if line["what"] == "start":
            run = Run(
                uid=line["uid"],
                job_id=line["job"],
                attempt=line["attempt"],
                pid=line["pid"],
                above=frozenset(line["above"]),
                start=line["t"],
            )
            going[key].append(run)
            history.runs.append(run)
        else:
            run = going[key].pop(0)
            run.end, run.how = line["t"], line["how"]


def _read_database(history: History, database: Path) -> None:
    connection = sqlite3.connect(f"file:{database}?mode=rw", uri=True)
    try:
        history.integrity = "; ".join(row[0] for row in connection.execute("PRAGMA integrity_check"))
        read_tables(history, connection)
    finally:
        connection.close()


def read_tables(history: History, connection: Any) -> None:
    """Adds the jobs as they ended, and every change that the triggers saw; by any driver's connection."""
    jobs = connection.execute(
        "SELECT id, payload, status, coalesce(attempts, 0), coalesce(max_attempts, 3), last_error"
        " FROM background_service_jobs ORDER BY id"
    )
    for job_id, payload, status, attempts, max_attempts, error in jobs:
        history.jobs.append(
            JobRow(
                id=job_id,
                uid=_uid_of(payload, job_id),
                status=status,
                attempts=attempts,
                max_attempts=max_attempts,
                last_error=error,
            )
        )
    for row in connection.execute(
        "SELECT job_id, at_ms, old_status, new_status, old_token, new_token, attempts"
        " FROM storm_audit ORDER BY seq"
    ):
        history.changes.append(
            Change(
                job_id=row[0],
                at=int(row[1] * 1_000_000),
                old_status=row[2],
                new_status=row[3],
                old_token=row[4],
                new_token=row[5],
                attempts=row[6],
            )
        )
    for uid, job_id, attempt, pid in connection.execute(
        "SELECT uid, job_id, attempt, pid FROM storm_effects"
    ):
        history.effects.append(Effect(uid=uid, job_id=job_id, attempt=attempt, pid=pid))
    history.orders = {row[0] for row in connection.execute("SELECT uid FROM storm_orders")}


def _uid_of(payload: Any, job_id: int) -> str:
    try:
        return str(json.loads(payload)["uid"])
    except (TypeError, ValueError, KeyError):
        return f"unreadable payload of job {job_id}"
