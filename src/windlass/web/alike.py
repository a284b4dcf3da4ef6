"""Errors that are alike: the same sentence about another file, order or address."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable
from functools import lru_cache
from typing import TypeVar

_One = TypeVar("_One")

MESSAGE_MOST = 300
"""So much of a message is looked at: what follows is seldom another fault."""

# The order counts: what stands first takes its text whole.
_VARIES = re.compile(
    r"""
      (?P<kept> \b(?:http(?:/\d(?:\.\d)?)?|status|code|errno)\b [\s:=]* \d+ )
    | (?P<address> \b(?<![+.-])[a-z][a-z0-9+.-]{0,30}://[^\s'"<>]+
                 | (?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+ )
    | (?P<quoted> "[^"\n]*" | `[^`\n]*` | (?<!\w)'[^'\n]*'(?!\w) )
    | (?P<path> (?<![\w.])(?:[a-z]:)?(?:~|\.{1,2})?[/\\][^\s'"`:;,()]+
              | (?<![\w./-])[\w.-]+(?:/[\w.-]+)*/[\w-]+\.\w{1,5}\b )
    | (?P<uuid> \b[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\b )
    | (?P<hex> \b0x[0-9a-f]+\b | \b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b )
    | (?P<number> (?<![\w.])-?\d+(?:[.,:_-]\d+)* | \d+ )
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_CLASS = re.compile(r"[A-Za-z_][\w.]*: ")
_TELLING = re.compile(r"[\d/\\@]")


@lru_cache(4096)  # of one page's failures most were there when it was last asked for
def pattern(message: str) -> str:
    """A message without what tells one occasion from the next: numbers, paths, addresses and ids.

    The error's class stays, and so do HTTP statuses and error numbers, which tell one fault from another;
    of quoted texts only those go that hold a number, a path or an address.

    >>> pattern("OSError: [Errno 2] No such file: '/photos/torn-003.jpg'")
    'OSError: [Errno 2] No such file: …'
    >>> pattern("KeyError: 'email'")
    "KeyError: 'email'"
    >>> pattern("ValueError: cannot make 800 columns of job 0x7f3a10")
    'ValueError: cannot make … columns of job …'
    """
    named = _CLASS.match(message)
    start = named.end() if named else 0
    return message[:start] + _VARIES.sub(_blurred, message[start:])


def kind(message: str) -> str:
    """What messages that are alike have in common: never longer than ``MESSAGE_MOST``.

    >>> kind("no row 7") == kind("no row 12")
    True
    """
    return pattern(message[:MESSAGE_MOST])


def by_likeness(many: Iterable[_One], told: Callable[[_One], tuple[Hashable, str]]) -> list[list[_One]]:
    """Groups, the largest first, each in the order given.

    ``told`` gives a message, and before it what must be equal.

    >>> by_likeness(["row 1", "row 22", "disk"], lambda one: (None, one))
    [['row 1', 'row 22'], ['disk']]
    """
    groups: dict[tuple[Hashable, str], list[_One]] = {}
    for one in many:
        beside, message = told(one)
        groups.setdefault((beside, kind(message)), []).append(one)
    # Sorting is stable: of groups of one size, the one with the newest failure stays first.
    return sorted(groups.values(), key=len, reverse=True)


def _blurred(found: re.Match[str]) -> str:
    text = found.group()
    keeps = found.lastgroup == "kept" or (found.lastgroup == "quoted" and not _TELLING.search(text))
    return text if keeps else "…"
