"""The server that knows the truth, and says what it was asked to do."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from tests.storm.journal import Journal
from tests.storm.sync.shape import FIELDS, IDENTITY, Rows, named, plain
from tests.sync.servers.store import Answer, StoreServer, problem

TROUBLE = 0.03
"""Of writes that are answered with trouble."""


class Recorder(StoreServer):
    """A good server with a log of every write that reached it, whatever it answered."""

    def __init__(self, folder: Path, *, dedupes: bool, seed: int = 0, trouble: float = TROUBLE) -> None:
        self._log = Journal(folder / "server.log")
        self._dedupes = dedupes
        self._chance = random.Random(seed)
        self._trouble = trouble
        self.is_well = False
        """It gives no trouble now."""
        self.reads = 0
        self.troubles = 0
        super().__init__()

    def _carry_out(
        self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: Any
    ) -> Answer:
        if method == "GET":
            # Not kept, as the rest is: there are many.
            self.reads += 1
            self.asked.clear()
            if "uid" in query:
                return self._found(path.strip("/"), query["uid"])
            return super()._carry_out(method, path, query, headers, body)
        if not self._dedupes:
            headers = {name: value for name, value in headers.items() if name != "idempotency-key"}
        with self.shelf.changed:
            before = len(self.shelf.effects)
            trouble = None if self.is_well or self._chance.random() >= self._trouble else self._some_trouble()
            answer = trouble
            # Of an internal error nobody knows how far it came: this one has done its work.
            if answer is None or answer.status == 500:
                answer = super()._carry_out(method, path, query, headers, body)
            effects = [
                [one.version, one.id, self._fields(one.collection, one.id)]
                for one in self.shelf.effects[before:]
            ]
            self._log.write(
                "request",
                replica=int(headers["x-replica"]),
                method=method,
                path=path,
                body=body,
                match=headers.get("if-match"),
                none_match=headers.get("if-none-match"),
                key=headers.get("idempotency-key"),
                status=answer.status,
                replayed="Idempotency-Replayed" in answer.headers,
                effects=effects,
                told=trouble.status if trouble else answer.status,
            )
        return trouble or answer

    def _some_trouble(self) -> Answer:
        self.troubles += 1
        status = self._chance.choice((500, 503, 429))
        answer = problem(status, "Trouble", "It is not your fault.")
        return answer._replace(headers={**answer.headers, "Retry-After": "0"}) if status == 429 else answer

    def _found(self, collection: str, uid: str) -> Answer:
        """The list, by its unique field: what became of an insert whose answer was lost."""
        with self.shelf.changed:
            found = self.shelf.slice(
                collection, after=0, until=self.shelf.version, limit=1_000_000, tombstones=False
            )
            data = [one.shown() for one in found.documents if (one.fields or {}).get("uid") == uid]
        return Answer(200, {"data": data})

    def _fields(self, collection: str, id_: str) -> dict[str, Any] | None:
        found = self.shelf.find(collection, id_)
        return None if found is None else found.fields

    def rows(self) -> Rows:
        """What lives, as ``shape.rows_of`` tells a replica's tables."""
        found: Rows = {}
        uids = {id_: fields["uid"] for id_, fields in self.shelf.documents("crates").items()}
        for table in IDENTITY:
            rows: list[tuple[str, dict[str, Any]]] = []
            for id_, fields in self.shelf.documents(table).items():
                uid = fields["uid"] if table == "crates" else id_
                row = {**dict.fromkeys(FIELDS), **({"crate": None} if table == "notes" else {}), **fields}
                if row.get("crate") is not None:
                    row = {**row, "crate": uids.get(str(row["crate"]), f"no crate {row['crate']}")}
                rows.append((uid, plain(row)))
            found[table] = named(rows)
        return found

    def down(self) -> None:
        super().down()
        self._log.close()
