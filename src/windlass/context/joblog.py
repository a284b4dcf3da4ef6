"""The logger a handler gets: its records say which job they belong to."""

from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping
from typing import Any

from windlass.store.protocol import Claim


class JobLogger(logging.LoggerAdapter[logging.Logger]):
    """Puts ``[key #id/attempt]`` before each message, and the same as fields on each record."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        own = dict(self.extra or {})
        kwargs["extra"] = {**kwargs.get("extra", {}), **own}
        prefix = prefix_of(own)
        # Doubled, because the message may be formatted with arguments later.
        return (prefix.replace("%", "%%") if kwargs.get("args") else prefix) + str(msg), kwargs


def job_logger(claim: Claim) -> JobLogger:
    """The logger ``windlass.job``, speaking for one attempt."""
    return JobLogger(logging.getLogger("windlass.job"), fields_of(claim))


def fields_of(claim: Claim) -> dict[str, Any]:
    """What a record about an attempt says of it: its ``extra``."""
    return {"job_id": claim.job_id, "job_key": claim.key, "attempt": claim.attempt, "queue": claim.queue}


def prefix_of(fields: Mapping[str, Any]) -> str:
    """The same for people, before the message; nothing where it is of no attempt."""
    if "attempt" not in fields:
        return ""
    return f"[{fields['job_key']} #{fields['job_id']}/{fields['attempt']}] "
