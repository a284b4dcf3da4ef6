"""What became of a change that was sent and not answered: found out by looking, before it is sent again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from windlass.errors import Offline, RemoteError, Throttled, Unauthorized
from windlass.sync.remote import (
    Accepted,
    Document,
    Faulty,
    Gone,
    Outgoing,
    Rejected,
    Stale,
    Undelivered,
    Verdict,
)


class Probe:
    """Looks by the remote's own calls. ``find`` is asked where the id was to be made by the remote."""

    def __init__(
        self,
        fetch: Callable[[str], Document],
        find: Callable[[Outgoing], Document | None] | None,
        id_field: str,
    ) -> None:
        self._fetch = fetch
        self._find = find
        self._id_field = id_field

    def of(self, change: Outgoing) -> Verdict | None:
        """A verdict, where it was applied or cannot be sent again; None: it was not applied."""
        try:
            return self._look(change)
        except (Offline, Throttled, Unauthorized) as error:
            return Undelivered(error)
        except RemoteError as error:
            return Faulty(str(error), error.after_s)

    def _look(self, change: Outgoing) -> Verdict | None:
        if change.op not in ("insert", "update", "delete"):
            return Rejected(
                f"{change.op!r} was sent, no answer came, and this remote cannot tell whether it was carried "
                f"out: look there, then retry or discard it"
            )
        if change.remote_id is not None:
            found = self._fetch(change.remote_id)
        elif self._find is not None:
            found = self._find(change)
        else:
            return Rejected(
                "a new row was sent, no answer came, and this remote neither knows a resend by its key nor "
                "can be asked for the row (unique=…): look there, then retry or discard it"
            )
        if found is None or found.document is None:
            return None if change.op == "insert" else Gone()
        if change.op == "insert" and self._holds(found.document, change.document):
            return Accepted(found.document, found.version, found.remote_id)
        if change.op == "update" and self._holds(found.document, change.changed):
            return Accepted(found.document, found.version, found.remote_id)
        if change.op != "insert" and change.base_version in (None, found.version):
            return None
        return Stale(found)

    def _holds(self, document: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
        """Every field is there as it was sent. A remote may leave the id out of its documents."""
        return all(
            document[name] == value if name in document else name == self._id_field
            for name, value in wanted.items()
        )
