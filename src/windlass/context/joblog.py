"""The logger a handler gets: its records say which job they belong to."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from windlass.store.protocol import Claim


class JobLogger(logging.LoggerAdapter[logging.Logger]):
    """Puts ``[key #id/attempt]`` before each message, and the same as fields on each record."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        own = dict(self.extra or {})
        kwargs["extra"] = {**kwargs.get("extra", {}), **own}
        # Doubled, because the message may be formatted with arguments later.
        key = str(own["job_key"]).replace("%", "%%") if kwargs.get("args") else own["job_key"]
        return f"[{key} #{own['job_id']}/{own['attempt']}] {msg}", kwargs


def job_logger(claim: Claim) -> JobLogger:
    """The logger ``windlass.job``, speaking for one attempt."""
    return JobLogger(
        logging.getLogger("windlass.job"),
        {"job_id": claim.job_id, "job_key": claim.key, "attempt": claim.attempt},
    )
