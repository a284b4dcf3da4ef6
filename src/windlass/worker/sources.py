"""What makes jobs by itself: a schedule whose time has come, an edit that waits to be pushed.

A source is asked by the dispatcher, on its thread: when the doorbell rang, when its own time has come, and
after a job of one of its keys was settled. It looks, enqueues what is due (uniquely: several dispatchers ask
their own), and says when to ask again. It goes by what it finds: asked twice, it adds nothing.
"""

from __future__ import annotations

from typing import Protocol


class Source(Protocol):
    """Something that makes jobs."""

    @property
    def job_keys(self) -> frozenset[str]:
        """When a job of one of these is settled, the source is asked again."""
        ...

    def look(self) -> float | None:
        """Enqueues what is due; seconds until it wants to be asked again, None: when something happens.

        Must be quick, and must not raise for what is wrong with a single schedule or resource: it logs that.

        Raises:
            StoreError: the database cannot be used now; it is asked again later.
        """
        ...

    def close(self) -> None:
        """The dispatcher ends: whatever it listens to is let go."""
        ...
