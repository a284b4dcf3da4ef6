"""A small server of our own that speaks PostgREST's dialect, as far as ``PostgrestRemote`` uses it.

PostgREST itself is a program in Haskell and no package of Python's. What is imitated here follows its
documentation: filters (``id=eq.7``, ``or=(…)``), ``order``, ``limit``, ``Range`` and ``Content-Range``,
``Prefer`` with ``return``, ``resolution`` and ``count``, one object by ``Accept``, 406 where there is not
one, and PostgreSQL's codes in errors.
"""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from windlass.demo.server.serving import Asked, Listener, message, read_request

Row = dict[str, Any]
Test = Callable[[Row], bool]

ONE = "application/vnd.pgrst.object+json"
COLUMNS = ("id", "title", "done", "code", "updated_at", "deleted_at")
_PART = re.compile(r'(and|or)\(|(\w+)\.(eq|gt|gte|lt|lte|is)\.("(?:[^"\\]|\\.)*"|[^,()]*)|[,)]')
_BEGIN = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status, self.code = status, code


class PostgrestLike(Listener):
    """One table, ``tasks``: ``title`` may not be null, ``code`` is unique, a trigger sets ``updated_at``."""

    def __init__(self, *, rows_max: int = 1000) -> None:
        self.rows: dict[str, Row] = {}
        self.asked: list[Asked] = []
        self.answers: list[bytes] = []
        """What is answered next, whatever is asked."""
        self.rows_max = rows_max
        self._ticks = 0
        self._turn = threading.Lock()
        super().__init__(self._talk)

    @property
    def table(self) -> str:
        return f"{self.url}/tasks"

    def put(self, id: str, **fields: Any) -> Row:
        """Another client's write."""
        with self._turn:
            return self._put({**self.rows.get(id, {"id": id}), **fields})

    # ── one request ──────────────────────────────────────────────────────────────────────────────
    def _talk(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            while (asked := read_request(stream)) is not None:
                with self._turn:
                    self.asked.append(asked)
                    answer = self.answers.pop(0) if self.answers else self._answer(asked)
                connection.sendall(answer)

    def _answer(self, asked: Asked) -> bytes:
        before = {key: dict(row) for key, row in self.rows.items()}
        try:
            if asked.method == "GET":
                return self._get(asked)
            rows = {"POST": self._post, "PATCH": self._patch, "DELETE": self._delete}[asked.method](asked)
            status = 201 if asked.method == "POST" else 200
            return told(status, one_of(rows) if asked.headers.get("accept") == ONE else rows)
        except Refused as refused:
            self.rows = before  # one request is one transaction
            return told(refused.status, {"code": refused.code, "message": str(refused), "details": None})

    def _get(self, asked: Asked) -> bytes:
        found = self._found(asked)
        for name, way in reversed(
            [part.split(".") for part in asked.query.get("order", "id.asc").split(",")]
        ):
            found.sort(key=lambda row: comparable(name, row[name]), reverse=way == "desc")
        first, last = (int(end) for end in asked.headers.get("range", "0-999999").split("-"))
        first = max(first, int(asked.query.get("offset", 0)))
        size = min(last - first + 1, int(asked.query.get("limit", self.rows_max)), self.rows_max)
        rows, total = found[first : first + size], str(len(found))
        if asked.headers.get("accept") == ONE:
            return told(200, one_of(rows))
        span = f"{first}-{first + len(rows) - 1}" if rows else "*"
        counted = "count=exact" in asked.headers.get("prefer", "")
        if counted and first > len(found):
            raise Refused(416, "PGRST103", "Requested range not satisfiable")
        status = 206 if counted and len(rows) < len(found) else 200
        return told(status, rows, {"Content-Range": f"{span}/{total if counted else '*'}"})

    def _post(self, asked: Asked) -> list[Row]:
        body = json.loads(asked.body)
        made: list[Row] = []
        for row in body if isinstance(body, list) else [body]:
            prefer = asked.headers.get("prefer", "")
            if row["id"] in self.rows and "resolution=ignore-duplicates" in prefer:
                continue
            if row["id"] in self.rows and "resolution=merge-duplicates" not in prefer:
                raise Refused(409, "23505", 'duplicate key value violates unique constraint "tasks_pkey"')
            made.append(self._put({**self.rows.get(row["id"], {}), **row}))
        return made

    def _patch(self, asked: Asked) -> list[Row]:
        return [self._put({**row, **json.loads(asked.body)}) for row in self._found(asked)]

    def _delete(self, asked: Asked) -> list[Row]:
        return [self.rows.pop(row["id"]) for row in self._found(asked)]

    def _put(self, row: Row) -> Row:
        if unknown := set(row) - set(COLUMNS):
            raise Refused(400, "PGRST204", f"Could not find the {unknown.pop()!r} column of 'tasks'")
        if row.get("title") is None:
            raise Refused(400, "23502", 'null value in column "title" violates not-null constraint')
        taken = (one for one in self.rows.values() if one["id"] != row["id"] and one["code"] is not None)
        if any(one["code"] == row.get("code") for one in taken):
            raise Refused(409, "23505", 'duplicate key value violates unique constraint "tasks_code_key"')
        self._ticks += 1
        moment = _BEGIN + timedelta(seconds=self._ticks // 3)  # some rows share their time
        written = {name: row.get(name) for name in COLUMNS} | {"updated_at": moment.isoformat()}
        self.rows[row["id"]] = written
        return written

    def _found(self, asked: Asked) -> list[Row]:
        tests: list[Test] = []
        for name, value in asked.query.items():
            if name == "or":
                tests.append(any_of(parsed(value.removeprefix("(") + ")")))
            elif name not in ("order", "limit", "offset", "select"):
                operator, _, operand = value.partition(".")
                tests.append(compare(name, operator, operand))
        return [row for row in self.rows.values() if all(test(row) for test in tests)]


def parsed(text: str) -> list[Test]:
    """The conditions of ``a.eq.1,and(b.gt.2,c.is.null))``, up to the closing parenthesis."""
    return list(_conditions(_PART.finditer(text)))


def _conditions(parts: Iterator[re.Match[str]]) -> Iterator[Test]:
    for part in parts:
        if part[1]:
            inner = list(_conditions(parts))
            yield all_of(inner) if part[1] == "and" else any_of(inner)
        elif part[2]:
            operand = re.sub(r"\\(.)", r"\1", part[4][1:-1]) if part[4].startswith('"') else part[4]
            yield compare(part[2], part[3], operand)
        elif part[0] == ")":
            return


def all_of(tests: list[Test]) -> Test:
    return lambda row: all(test(row) for test in tests)


def any_of(tests: list[Test]) -> Test:
    return lambda row: any(test(row) for test in tests)


def compare(name: str, operator: str, operand: str) -> Test:
    if operator == "is":
        return lambda row: row[name] is None
    right = comparable(name, operand)
    tests: dict[str, Test] = {
        "eq": lambda row: comparable(name, row[name]) == right,
        "gt": lambda row: comparable(name, row[name]) > right,
        "gte": lambda row: comparable(name, row[name]) >= right,
        "lt": lambda row: comparable(name, row[name]) < right,
        "lte": lambda row: comparable(name, row[name]) <= right,
    }
    return tests[operator]


def comparable(name: str, value: Any) -> Any:
    return datetime.fromisoformat(value) if name.endswith("_at") and value else str(value)


def one_of(rows: list[Row]) -> Row:
    if len(rows) != 1:
        raise Refused(406, "PGRST116", f"The result contains {len(rows)} rows")
    return rows[0]


def told(status: int, body: Any, headers: dict[str, str] | None = None) -> bytes:
    kind = {"Content-Type": "application/json; charset=utf-8"}
    return message(status, kind | (headers or {}), json.dumps(body).encode())
