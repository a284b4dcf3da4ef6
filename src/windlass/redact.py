"""The text kept about an error: what it was and where, short, storable, and without secrets."""

from __future__ import annotations

import base64
import os
import re
import threading
from collections import deque
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, cast
from urllib.parse import quote

MAX_BYTES = 16 * 1024
"""The longest error text, as UTF-8."""
REDACTED = "[redacted]"

_FRAMES_MAX = 12
_MESSAGE_MAX = 8 * 1024
_CAUSES_MAX = 4
_VALUE_MAX = 1 << 20
_OURS = str(Path(__file__).parent)
_DEMO = str(Path(__file__).parent / "demo")

# The names are bounded on both sides: unbounded ones would make long words cost quadratic time.
_SECRET_NAME = (
    r"[\w-]{0,40}(?:passw(?:or)?d|passphrase|pwd|secret|token|credential|authorization|cookie"
    r"|api[_-]?key|access[_-]?key|private[_-]?key|signature)[\w-]{0,40}"
)
_SECRETS = re.compile(
    rf"""(?P<name>["']?\b{_SECRET_NAME}["']?\s{{0,4}}(?:=|:(?!//))\s{{0,4}})"""
    r"""(?P<value>[rbf]?"(?:[^"\\]|\\.)*"|[rbf]?'(?:[^'\\]|\\.)*'|(?:bearer|basic|digest)\s+[^\s"',;]+|[^\s"',;&)}\]]+)""",
    re.IGNORECASE,
)
_SECRET_NAME_ALONE = re.compile(_SECRET_NAME, re.IGNORECASE)
_SCHEMES = re.compile(r"\b(?P<scheme>bearer|basic)\s+[A-Za-z0-9+/=_.~-]{8,}", re.IGNORECASE)
_USERINFO = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]{0,20}://)[^\s/@'\"]{1,512}@", re.IGNORECASE)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

# Texts that are known to be secret, the latest last. Bounded: tokens come anew all day.
_known: dict[str, None] = {}
_KNOWN_MAX = 256
_KNOWN_LENGTH_MIN = 6
_mutex = threading.Lock()


def _after_fork() -> None:
    global _mutex
    # Another thread of the parent may have held it.
    _mutex = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def conceal(secret: str) -> None:
    """From now on ``clean`` lets no text through that holds this secret, whatever stands beside it.

    Also as it is spelled in a URL and in base64. Under six characters it would shred ordinary text, and is
    left to the patterns.

    >>> conceal("xyzzy-42"); clean("the server said: no such key xyzzy-42")
    'the server said: no such key [redacted]'
    """
    if len(secret) < _KNOWN_LENGTH_MIN or secret in _known:
        return
    storable = secret.encode(errors="replace")
    spellings = (secret, quote(storable, safe=""), base64.b64encode(storable).decode())
    with _mutex:
        _known.update(dict.fromkeys(spellings))
        for old in list(_known)[:-_KNOWN_MAX]:
            del _known[old]


def clean(text: str, limit: int = MAX_BYTES) -> str:
    """The text without secrets, storable as UTF-8, and at most ``limit`` bytes long.

    >>> clean("connect to https://ann:hunter2@example.com failed, token=abc")
    'connect to https://[redacted]@example.com failed, token=[redacted]'
    """
    # Longest first: one secret may be a part of another's spelling.
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, REDACTED)
    # Cut with room to spare: the patterns then work on a bounded text.
    text = text if len(text) <= 2 * limit else f"{text[:limit]}{text[-limit:]}"
    text = _UNSTORABLE.sub(
        lambda found: f"\\x{ord(found[0]):02x}" if found[0] == "\0" else ascii(found[0])[1:-1], text
    )
    text = _SECRETS.sub(rf"\g<name>{REDACTED}", text)
    text = _SCHEMES.sub(rf"\g<scheme> {REDACTED}", text)
    text = _USERINFO.sub(rf"\g<scheme>{REDACTED}@", text)
    encoded = text.encode()
    if len(encoded) <= limit:
        return text
    half = (limit - 20) // 2
    head, tail = encoded[:half].decode(errors="ignore"), encoded[-half:].decode(errors="ignore")
    return f"{head}\n… cut …\n{tail}"


def is_secret_name(name: str) -> bool:
    """True where what is called so is hidden.

    >>> is_secret_name("api_key"), is_secret_name("keyboard")
    (True, False)
    """
    return _SECRET_NAME_ALONE.search(name[:200]) is not None


def printable(text: str) -> str:
    """The text with control characters escaped: a job's error must not steer the reader's terminal.

    >>> printable("bell\\a")
    'bell\\\\x07'
    """
    if text.isprintable():
        return text
    return "".join(mark if mark.isprintable() or mark in "\n\t" else ascii(mark)[1:-1] for mark in text)


def shown(value: Any) -> Any:
    """The same JSON value without secrets. What is called like one is hidden whatever it holds, but for
    numbers, truth values and nothing.

    >>> shown({"user": "ann", "password": "hunter2", "note": "token=abc"})
    {'user': 'ann', 'password': '[redacted]', 'note': 'token=[redacted]'}
    """
    match value:
        case str():
            return clean(value, _VALUE_MAX)
        case dict():
            members = cast("dict[str, Any]", value)
            return {clean(name, _VALUE_MAX): shown_member(name, member) for name, member in members.items()}
        case list() | tuple():
            return [shown(item) for item in cast("list[Any]", value)]
        case _:
            return value


def shown_member(name: str, value: Any) -> Any:
    """The same of a member that is called so."""
    hidden = is_secret_name(name) and not isinstance(value, (int, float, bool, type(None)))
    return REDACTED if hidden else shown(value)


def describe(error: BaseException) -> str:
    """``Type: message``, then where it was raised in the handler's own code, then its causes.

    Never raises: an exception that cannot describe itself is named by its type.
    """
    try:
        return clean("\n".join(_lines(error)))
    except Exception as trouble:  # noqa: BLE001 - source files and messages are the user's
        return f"{type(error).__name__} (it could not be described: {type(trouble).__name__})"


def message_of(error: BaseException) -> str:
    """``str(error)``, also where that raises; cleaned, without its type or place."""
    return clean(_message(error))


def _lines(error: BaseException) -> list[str]:
    lines: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen and len(seen) < _CAUSES_MAX:
        seen.add(id(current))
        message = _message(current)
        title = f"{type(current).__name__}: {message}" if message else type(current).__name__
        lines.append(f"caused by {title}" if len(seen) > 1 else title)
        lines.extend(_places(current.__traceback__))
        if isinstance(current, BaseExceptionGroup):
            members = cast("BaseExceptionGroup[BaseException]", current).exceptions
            lines.extend(f"  + {type(one).__name__}: {_message(one)}" for one in members[:5])
        hidden = None if current.__suppress_context__ else current.__context__
        current = current.__cause__ or hidden
    return lines


def _message(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception as trouble:  # noqa: BLE001 - __str__ is user code
        return f"(its text could not be made: {type(trouble).__name__})"
    return text if len(text) <= _MESSAGE_MAX else f"{text[:_MESSAGE_MAX]}… ({len(text):,} characters)"


def _places(traceback: TracebackType | None) -> list[str]:
    # The innermost frames matter; a deque keeps a runaway recursion's thousands from being formatted.
    places: deque[tuple[FrameType, int]] = deque(maxlen=_FRAMES_MAX)
    skipped = 0
    while traceback is not None:
        if not _is_machinery(traceback.tb_frame):
            skipped += len(places) == _FRAMES_MAX
            places.append((traceback.tb_frame, traceback.tb_lineno))
        traceback = traceback.tb_next
    import linecache

    lines = [f"  … {skipped} more"] if skipped else []
    for frame, number in places:
        code = frame.f_code
        source = linecache.getline(code.co_filename, number, frame.f_globals).strip()
        lines.append(
            f"  at {code.co_filename}:{number} in {code.co_qualname}"
            + (f": {source[:200]}" if source else "")
        )
    return lines


def _is_machinery(frame: FrameType) -> bool:
    name = frame.f_code.co_filename
    # The demo's handlers are a program like any other.
    ours = name.startswith(_OURS) and not name.startswith(_DEMO)
    return ours or "/asyncio/" in name or name.endswith("contextlib.py")
