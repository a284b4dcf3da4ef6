"""The logger a handler gets: its records say which job they belong to."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from windlass.context.kept import OWN
from windlass.store.protocol import Claim


class JobLogger(logging.LoggerAdapter[logging.Logger]):
    """Puts ``[key #id/attempt]`` before each message, and the same as fields on each record.

    What is logged by it is kept with the attempt, also where the program's logging would let nothing through.
    """

    def __init__(self, claim: Claim, keep: Callable[[logging.LogRecord], None]) -> None:
        super().__init__(logging.getLogger(OWN), fields_of(claim))
        self._keep = keep

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """As any logger."""
        self._keep(logging.LogRecord(OWN, level, "", 0, msg, args, _error_of(kwargs.get("exc_info"))))
        super().log(level, msg, *args, **{**kwargs, "stacklevel": kwargs.get("stacklevel", 1) + 1})

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        own = dict(self.extra or {})
        kwargs["extra"] = {**kwargs.get("extra", {}), **own}
        prefix = prefix_of(own)
        # Doubled, because the message may be formatted with arguments later.
        return (prefix.replace("%", "%%") if kwargs.get("args") else prefix) + str(msg), kwargs


def _error_of(given: Any) -> Any:
    if isinstance(given, BaseException):
        return type(given), given, given.__traceback__
    return sys.exc_info() if given is True else given


def fields_of(claim: Claim) -> dict[str, Any]:
    """What a record about an attempt says of it: its ``extra``."""
    return {"job_id": claim.job_id, "job_key": claim.key, "attempt": claim.attempt, "queue": claim.queue}


def prefix_of(fields: Mapping[str, Any]) -> str:
    """The same for people, before the message; nothing where it is of no attempt."""
    if "attempt" not in fields:
        return ""
    return f"[{fields['job_key']} #{fields['job_id']}/{fields['attempt']}] "
