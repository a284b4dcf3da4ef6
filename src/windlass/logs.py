"""How the service's processes write their log: lines for people, or one JSON object a line.

A record that is made while a handler runs says which job that was, whoever makes it: the handler's own
``ctx.log``, its modules, or a library that knows nothing of jobs.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import msgspec

from windlass.config import Settings
from windlass.context import current
from windlass.context.joblog import prefix_of
from windlass.redact import describe

_TEXT = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"
_JOB_FIELDS = ("job_id", "job_key", "attempt", "queue")
# What every record has; whatever else is on one was given as `extra`.
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", *_JOB_FIELDS}


def configure_logging(settings: Settings, least: int | None = None) -> None:
    """Sends this process's log lines to stderr, unless the program has arranged its own logging.

    Records from the level ``least`` on are made also where they are not sent: they are kept with jobs.
    """
    level = getattr(logging, settings.log_level.upper())
    root = logging.getLogger()
    if root.handlers:
        return
    if settings.log_format == "json":
        handler = logging.StreamHandler()
        handler.setFormatter(JsonFormatter())
        logging.basicConfig(level=level, handlers=[handler])
    else:
        logging.basicConfig(level=level, format=_TEXT)
    if least is not None and least < level:
        root.handlers[0].setLevel(level)
        root.setLevel(least)


def let_through(least: int | None) -> None:
    """Has records made from that level on, in a process in which nobody has arranged logging.

    What is printed stays the same: where there is no handler, logging itself prints warnings and no less.
    """
    root = logging.getLogger()
    if least is not None and not root.handlers and root.level == logging.WARNING:
        root.setLevel(min(least, root.level))


class JsonFormatter(logging.Formatter):
    """One JSON object for each record, on one line.

    ``time`` (UTC), ``level``, ``logger``, ``message`` and ``process`` are always there; ``job_id``,
    ``job_key``, ``attempt`` and ``queue`` where a job is concerned; ``error`` where an exception is; and
    whatever a program gave as ``extra``.

    >>> record = logging.LogRecord("shop", logging.INFO, "shop.py", 1, "sold %d", (3,), None)
    >>> msgspec.json.decode(JsonFormatter().format(record))["message"]
    'sold 3'
    """

    def format(self, record: logging.LogRecord) -> str:
        made = datetime.fromtimestamp(record.created, UTC)
        told: dict[str, Any] = {
            "time": f"{made:%Y-%m-%dT%H:%M:%S}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _plain(record),
            "process": record.process,
        }
        told |= _job_of(record)
        if record.exc_info and record.exc_info[1] is not None:
            told["error"] = describe(record.exc_info[1])
        told |= {name: value for name, value in vars(record).items() if name not in _USUAL | told.keys()}
        try:
            return msgspec.json.encode(told, enc_hook=repr).decode()
        except (TypeError, ValueError, RecursionError):
            # Something among them has no JSON: each as text, then. A line is never lost for that.
            return msgspec.json.encode({name: _text(value) for name, value in told.items()}).decode()


def _plain(record: logging.LogRecord) -> str:
    """The message, without the job that ``ctx.log`` puts before it for people."""
    return record.getMessage().removeprefix(prefix_of(vars(record)))


def _job_of(record: logging.LogRecord) -> dict[str, Any]:
    if hasattr(record, "job_id"):
        return {name: value for name in _JOB_FIELDS if (value := getattr(record, name, None)) is not None}
    ctx = current()
    if ctx is None:
        return {}
    return {"job_id": ctx.job_id, "job_key": ctx.key, "attempt": ctx.attempt, "queue": ctx.queue}


def _text(value: object) -> Any:
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return value
    return str(value).encode("utf-8", "backslashreplace").decode()
