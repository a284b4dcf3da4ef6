"""A word to the service manager that started us: systemd's notification protocol, and nothing else.

Standard library only, and a socket is imported where there is somebody to speak to: the supervisor says its
few words from here. Nothing in this file fails because nobody listens.
"""

from __future__ import annotations

import os

ADDRESS = "NOTIFY_SOCKET"
WATCHDOG = "WATCHDOG_USEC"
WATCHDOG_FOR = "WATCHDOG_PID"

_kept = ""


def notify(**fields: str | int) -> bool:
    """Tells systemd the given fields; False where no service manager listens.

    The names are the protocol's own: ``READY``, ``STATUS``, ``STOPPING``, ``WATCHDOG``, ``MAINPID``…
    A unit hears of it according to its ``NotifyAccess=``.

    >>> os.environ.pop(ADDRESS, None) and None
    >>> notify(READY=1, STATUS="7 jobs run")
    False

    Raises:
        ValueError: a field has no line of its own: its text holds a line break.
    """
    text = "".join(f"{name}={_one_line(name, value)}\n" for name, value in fields.items())
    address = _kept or os.environ.get(ADDRESS, "")
    # An abstract socket's name begins with NUL, which no environment can hold: @ stands for it.
    if not address.startswith(("/", "@")):
        return False
    import socket

    if not hasattr(socket, "AF_UNIX"):
        return False
    path = f"\0{address[1:]}" if address[0] == "@" else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker:
        # Not to wait for one who does not read: the next word comes anyway.
        speaker.setblocking(False)
        try:
            speaker.sendto(text.encode(), path)
        except OSError:
            return False
    return True


def keep_to_self() -> None:
    """From now on ``notify`` works in this process alone: what it starts finds no address to write to.

    Otherwise any program that a handler runs could say that the service is ready, or lives.
    """
    global _kept
    _kept = os.environ.pop(ADDRESS, "") or _kept
    for name in (WATCHDOG, WATCHDOG_FOR):
        os.environ.pop(name, None)


def watchdog_s(pid: int) -> float:
    """Within how many seconds systemd wants to hear ``WATCHDOG=1`` from that process; 0 where it does not.

    >>> os.environ.update(WATCHDOG_USEC="3000000", WATCHDOG_PID="7")
    >>> watchdog_s(7), watchdog_s(8)
    (3.0, 0.0)
    >>> del os.environ["WATCHDOG_USEC"], os.environ["WATCHDOG_PID"]
    """
    asked = os.environ.get(WATCHDOG, "")
    if not asked.isdecimal() or os.environ.get(WATCHDOG_FOR, str(pid)) != str(pid):
        return 0.0
    return int(asked) / 1e6


def _one_line(name: str, value: str | int) -> str:
    text = str(value)
    if "\n" in text:
        raise ValueError(f"expected {name} to be one line, got {text!r}")
    return text
