"""What job keys and queues may be called."""

from __future__ import annotations

import re
from typing import Any

from windlass.errors import InvalidJob

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,127}", re.ASCII)


def checked_name(what: str, name: Any) -> str:
    """A job key or queue name as it may be stored; ``what`` names it in the error.

    Raises:
        InvalidJob: not a short name of letters, digits, ``_ . : / -``.
    """
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise InvalidJob(
            f"expected {what} to be 1 to 128 letters, digits or _ . : / - (beginning with a letter, digit or _), got {name!r}"
        )
    return name
