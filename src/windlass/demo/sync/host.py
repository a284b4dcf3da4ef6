"""The server's own process, and the show's end of it.

They speak in lines of JSON through its standard input and output: a word or a list goes in, an answer comes
out. When its input ends, so does the process: it outlives nobody.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from windlass.demo.server.moody import MoodyServer, Tally
from windlass.demo.sync.tables import find_tables
from windlass.demo.sync.tale import ELSEWHERE, NOTE_MAX

T = TypeVar("T")
_ENDS_S = 5.0


class Host:
    """The server in a process of its own."""

    def __init__(self, limit: int | None = None) -> None:
        command = [sys.executable, "-m", "windlass.demo.sync.host", *([] if limit is None else [str(limit)])]
        # In a session of its own: Ctrl-C is for the show, which ends it in its turn.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        try:
            self.url, self.rows = self._heard(tuple[str, dict[str, int]])
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    def tally(self) -> Tally:
        """What it has seen and done until now."""
        self._say("tally")
        return self._heard(Tally)

    def edit_elsewhere(self) -> None:
        """Somebody else edits some rows at the server."""
        self._say("elsewhere")
        self._heard(str)

    def documents(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Everything that it keeps, by table and id."""
        self._say("documents")
        return self._heard(dict[str, dict[str, dict[str, Any]]])

    def close(self) -> None:
        """Ends it."""
        streams = (self._process.stdin, self._process.stdout)
        for stream in streams:
            if stream is not None:
                # It may have ended by itself, with what was to be said to it still in the pipe.
                with suppress(OSError):
                    stream.close()
        try:
            self._process.wait(_ENDS_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _say(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(word.encode() + b"\n")
        self._process.stdin.flush()

    def _heard(self, kind: type[T]) -> T:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise EOFError(f"the server has ended with exit code {self._process.wait(_ENDS_S)}")
        return msgspec.json.decode(line, type=kind)


def main() -> None:
    """Serves, and answers what it is asked on its input, until that ends."""
    tables = find_tables()
    limit = int(sys.argv[1]) if len(sys.argv) > 1 else None
    with MoodyServer() as server:
        shelf = server.shelf
        shelf.checks.append(_too_long)
        rows = tables.rows(limit)
        for name, documents in rows.items():
            shelf.fill(name, documents.items())
        _tell((server.url, {name: len(documents) for name, documents in rows.items()}))
        for line in sys.stdin:
            match line.strip():
                case "tally":
                    _tell(server.tally())
                case "documents":
                    _tell({name: shelf.documents(name) for name in rows})
                case _:
                    for id_ in tables.tale.elsewhere:
                        shelf.edit(tables.tale.table, id_, note=ELSEWHERE)
                    _tell("done")


def _too_long(_: str, fields: dict[str, Any]) -> str | None:
    note = str(fields.get("note") or "")
    return (
        f"A note has at most {NOTE_MAX} characters, and this one {len(note)}."
        if len(note) > NOTE_MAX
        else None
    )


def _tell(answer: Any) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
