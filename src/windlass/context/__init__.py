"""What surrounds a running handler: its context, its one transaction, its temporary folder.

Invariants:

* One ``Context`` belongs to one attempt. What it opened is given back when the attempt ends, however it ends.
* User code holds our write lock nowhere but in ``ctx.transaction()``, and there for two seconds at most.
* The job's completion and the handler's writes in that transaction are one commit, fenced by the
  attempt's token.
"""

from __future__ import annotations

from windlass.context.context import (
    Context,
    Stopped,
    StopReason,
    current,
    enter,
    leave,
    see,
)
from windlass.context.resources import Resources, Service
from windlass.context.results import Results, decoder_of, is_results, load_results
from windlass.context.tempdirs import sweep_tempdirs, temp_root

__all__ = [
    "Context",
    "Resources",
    "Results",
    "Service",
    "StopReason",
    "Stopped",
    "current",
    "decoder_of",
    "enter",
    "is_results",
    "leave",
    "load_results",
    "see",
    "sweep_tempdirs",
    "temp_root",
]
