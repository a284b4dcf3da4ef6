"""What is written behind ``/``: which jobs a person wants to see."""

from __future__ import annotations

import shlex
from shlex import quote

import msgspec

from windlass.job import JobStatus

_FIELDS = ("key", "queue", "tag", "unique")
_STATUSES = {status.value.lower(): status for status in JobStatus}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs that match all that is given.

    >>> Wanted(status=(JobStatus.FAILED,), key="send").command
    'windlass jobs list --status FAILED --key send'
    """

    status: tuple[JobStatus, ...] | None = None
    key: str | None = None
    queue: str | None = None
    tag: str | None = None
    unique: str | None = None
    held: bool | None = None
    search: str | None = None
    """Words to be found in its id, key, queue, tags, unique key or error."""

    @property
    def text(self) -> str:
        """As a person writes it.

        >>> Wanted(status=(JobStatus.FAILED,), key="send mail", search="timeout").text
        "failed key:'send mail' timeout"
        """
        words = [status.value.lower() for status in self.status or ()]
        words += [f"{name}:{quote(value)}" for name in _FIELDS if (value := getattr(self, name))]
        words += ["held"] if self.held else []
        return " ".join([*words, *([self.search] if self.search else [])])

    @property
    def command(self) -> str:
        """What a command line would be told to list them; it cannot look for words."""
        words = [f"--status {status}" for status in self.status or ()]
        words += [f"--{name} {quote(value)}" for name in _FIELDS if (value := getattr(self, name))]
        words += ["--held"] if self.held else []
        return " ".join(["windlass jobs list", *words])


def read_filter(text: str) -> Wanted:
    """What a person has written: statuses, ``key:``, ``queue:``, ``tag:``, ``unique:``, ``held``, and words.

    >>> read_filter("failed queue:mail smtp timeout") == Wanted(
    ...     status=(JobStatus.FAILED,), queue="mail", search="smtp timeout")
    True
    """
    statuses: list[JobStatus] = []
    words: list[str] = []
    fields: dict[str, str] = {}
    held: bool | None = None
    for word in _split(text):
        name, colon, value = word.partition(":")
        if colon and value and name.lower() in _FIELDS:
            fields[name.lower()] = value
        elif word.lower() in _STATUSES:
            statuses.append(_STATUSES[word.lower()])
        elif word.lower() == "held":
            held = True
        else:
            words.append(word)
    return Wanted(status=tuple(statuses) or None, held=held, search=" ".join(words) or None, **fields)


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # a quotation mark that is not closed: it is still being written
        return text.split()
