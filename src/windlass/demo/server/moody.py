"""The good server on bad days: every so often it fails, wants to be left alone, or hangs up unanswered."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from typing import Literal

import msgspec

from windlass.demo.server.serving import Asked
from windlass.demo.server.store import Answer, StoreServer, problem

Mood = Literal["500", "503 Retry-After", "hung up"]

READS: dict[int, Mood] = {5: "500", 15: "hung up", 25: "503 Retry-After"}
WRITES: dict[int, Mood] = {4: "hung up", 13: "500", 27: "hung up", 55: "503 Retry-After", 80: "500"}
"""Which of so many is met with what; then it begins again."""
READS_OF, WRITES_OF = 40, 100


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What the server has seen and done; requests for one page, or of one row."""

    reads: int
    writes: int
    moods: dict[str, int]
    """How often it was in which mood."""
    replayed: int
    """Writes that had been done already, and were answered once more from memory."""
    twice: list[str]
    """Keys of changes that had more than one effect: none, if all is well."""
    effects: int
    """Changes that were carried out."""


class MoodyServer(StoreServer):
    """Misbehaves by the count of its requests, so that it does so in every run.

    A question whether there is anything new is left in peace: there are so many of them.
    """

    def __init__(self) -> None:
        self._reads = self._pages = self._writes = self._replayed = self._grudges = 0
        self._moods: Counter[str] = Counter()
        self._counting = threading.Lock()
        super().__init__()

    def tally(self) -> Tally:
        """What has been, until now."""
        with self.shelf.changed:
            keys = Counter(one.key for one in self.shelf.effects if one.key is not None)
        with self._counting:
            return Tally(
                reads=self._reads,
                writes=self._writes,
                moods=dict(self._moods),
                replayed=self._replayed,
                twice=sorted(key for key, count in keys.items() if count > 1),
                effects=keys.total(),
            )

    def _answer(self, asked: Asked) -> Answer:
        # What it was asked is counted here, not kept: it may run for long.
        self.asked.clear()
        mood = self._mood(asked)
        if mood == "500":
            return problem(500, "Internal error", "The server has stumbled over its own feet.")
        if mood == "503 Retry-After":
            answer = problem(503, "Too busy", "Come back in a second.")
            return answer._replace(headers=answer.headers | {"Retry-After": "1"})
        answer = super()._answer(asked)
        replayed = "Idempotency-Replayed" in answer.headers
        with self._counting:
            self._replayed += replayed
            if asked.method in ("GET", "HEAD"):
                hangs_up = mood == "hung up"
            else:
                # Only over work that it has just done: so it is asked for it again.
                self._grudges += mood == "hung up"
                hangs_up = self._grudges > 0 and answer.status < 300 and not replayed
                self._grudges -= hangs_up
            if hangs_up:
                self._moods["hung up"] += 1
        return answer._replace(status=0) if hangs_up else answer

    def _give(self, asked: Asked, answer: Answer, connection: socket.socket) -> bool:
        return answer.status != 0 and super()._give(asked, answer, connection)

    def _mood(self, asked: Asked) -> Mood | None:
        with self._counting:
            if asked.method in ("GET", "HEAD"):
                self._reads += 1
                if "if-none-match" in asked.headers:
                    return None
                self._pages += 1
                mood = READS.get(self._pages % READS_OF)
            else:
                self._writes += 1
                mood = WRITES.get(self._writes % WRITES_OF)
            if mood is not None and mood != "hung up":
                self._moods[mood] += 1
            return mood
