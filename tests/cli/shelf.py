"""A program that syncs one table with a remote that is a JSON file beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROGRAM = '''
import json
import time
from pathlib import Path

from windlass import Windlass
from windlass.errors import Offline
from windlass.sync.remote import Accepted, Document, Gone, Page, Rejected, Stale

HERE = Path(__file__).parent


class Shelf:
    """Keeps its documents in a JSON file beside the program: [version, document] by id."""

    origin, batch, dedupes = "shelf:", 10, True

    def read(self):
        if (HERE / "offline").exists():
            raise Offline("the shelf is out of reach", applied=False)
        return json.loads((HERE / "shelf.json").read_text())

    def pull(self, ask):
        while (HERE / "slow").exists():
            (HERE / "pulling").touch()
            time.sleep(0.01)
        kept = sorted(self.read().items())
        start = int(ask.page or 0)
        page = [Document(one, document, str(version)) for one, (version, document) in kept[start : start + 2]]
        more = str(start + 2) if start + 2 < len(kept) else None
        return Page(page, next_page=more, complete=True, total=len(kept))

    def push(self, changes):
        kept = self.read()
        verdicts = [self.take(kept, change) for change in changes]
        (HERE / "shelf.json").write_text(json.dumps(kept))
        return verdicts

    def take(self, kept, change):
        version, document = kept.get(change.remote_id, (0, None))
        if change.base_version is not None and change.base_version != str(version):
            return Stale(Document(change.remote_id, document, str(version)))
        if change.op == "delete":
            return Accepted() if kept.pop(change.remote_id, None) else Gone()
        if "bad" in str(change.document.get("title")):
            problem = {"title": "Unprocessable", "field": "title", "hint": "[red]no[/red] \\x1b[2J"}
            return Rejected("422 the title is bad", json.dumps(problem))
        kept[change.remote_id] = (version + 1, dict(change.document))
        return Accepted(dict(change.document), str(version + 1))

    def fetch(self, remote_id):
        version, document = self.read().get(remote_id, (0, None))
        return Document(remote_id, document, str(version))

    def probe(self, change):
        return None


app = Windlass("notes.db")
app.sync.resource("notes", remote=Shelf())
'''
TABLE = "CREATE TABLE notes (id INTEGER PRIMARY KEY, title TEXT, done BOOLEAN, stars INTEGER)"

Sql = Callable[..., list[Any]]


class Shelf:
    """The remote's file, as somebody else changes it."""

    def __init__(self, home: Path) -> None:
        self._file = home / "shelf.json"
        self._offline = home / "offline"
        self._slow = home / "slow"
        self._pulling = home / "pulling"
        self._file.write_text("{}")

    @property
    def documents(self) -> dict[str, Any]:
        return {one: document for one, (_, document) in json.loads(self._file.read_text()).items()}

    def put(self, one: int, **fields: Any) -> None:
        kept = json.loads(self._file.read_text())
        version, document = kept.get(str(one), (0, {"id": one}))
        kept[str(one)] = (version + 1, {**document, **fields})
        self._file.write_text(json.dumps(kept))

    def forget(self, *ids: int) -> None:
        kept = json.loads(self._file.read_text())
        self._file.write_text(json.dumps({one: told for one, told in kept.items() if int(one) not in ids}))

    def cut(self) -> None:
        self._offline.touch()

    def mend(self) -> None:
        self._offline.unlink()

    def slow(self) -> None:
        """Whoever pulls waits there."""
        self._slow.touch()

    @property
    def is_pulled(self) -> bool:
        """Somebody waits there."""
        return self._pulling.exists()

    def go_on(self) -> None:
        """They wait no more."""
        self._slow.unlink()
