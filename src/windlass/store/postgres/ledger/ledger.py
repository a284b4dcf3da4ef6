"""The ledger in a PostgreSQL database: that of every database, tried again where others got in its way."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from windlass.store.postgres.faults import again
from windlass.store.relational.ledger.ledger import RelationalLedger

P = ParamSpec("P")
R = TypeVar("R")


class PostgresLedger(RelationalLedger):
    """Sync's ledger beside the jobs. Thread-safe; see the protocol for the verbs."""


def _again(
    verb: Callable[Concatenate[PostgresLedger, P], R],
) -> Callable[Concatenate[PostgresLedger, P], R]:
    @wraps(verb)
    def call(self: PostgresLedger, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return again(lambda: verb(self, *args, **kwargs))

    return call


VERBS = (
    "install", "lift", "note", "recapture", "remove", "repoint", "seal_batch", "set_origin", "switch",
    "write", "write_new",
)  # fmt: skip
"""What was rolled back as a whole where two transactions stood in each other's way."""

for _name in VERBS:
    setattr(PostgresLedger, _name, _again(getattr(RelationalLedger, _name)))
