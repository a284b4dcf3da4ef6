"""The jobs of notifications: one that posts, one that sums up, one that tells how a killed job ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from windlass.backoff import Backoff
from windlass.clock import Clock
from windlass.errors import ConfigError
from windlass.events import JobFailed
from windlass.handlers import Registry
from windlass.job import JobStatus
from windlass.notify import webhook
from windlass.notify.webhook import Delivery, WebhookChannel
from windlass.outcome import PermanentError, Retry, Snooze
from windlass.store.protocol import Store

if TYPE_CHECKING:
    from windlass.notify.notifier import Notifier

OURS = "windlass.notify."
EVENT = f"{OURS}event"
SUMMARY = f"{OURS}summary"
QUEUE = "notify"
_BACKOFF = Backoff.exponential("1s", cap="1m")
_UNSETTLED_S = 0.2


def register(
    registry: Registry, notifier: Notifier, store: Callable[[], Store], clock: Callable[[], Clock]
) -> None:
    """Makes the three job keys known; once is enough."""
    if registry.get_own(EVENT) is not None:
        return

    def post(channel: str, message_id: str, body: str) -> int:
        """Posts a message to a webhook."""
        found = next((one for one in notifier.channels if one.name == channel), None)
        if not isinstance(found, WebhookChannel):
            raise PermanentError(f"this program has no webhook called {channel!r} any more")
        delivery = Delivery(channel, message_id, body)
        try:
            return found.deliver(delivery, clock().wall_us() // 1_000_000)
        except ConfigError as error:
            # The secret may be set by the next time: a message is not lost for that.
            raise Retry(str(error)) from None

    def summarize(at: datetime, also: str | None = None) -> None:
        """Tells people what was held back until now."""
        wait_s = notifier.send_summary(at, also)
        if wait_s is not None:
            raise Snooze(wait_s, "quiet hours have begun again")

    def tell_end(job_id: int, attempt: int) -> None:
        """Tells that a job failed for good which was killed or crashed: its worker could not."""
        job = store().get(job_id)
        if job is not None and job.status is JobStatus.RUNNING and job.attempts <= attempt:
            raise Snooze(_UNSETTLED_S, "the end of its attempt is not settled yet")
        if job is not None and job.status is JobStatus.FAILED:
            error = (job.last_error or job.reason or "").partition("\n")[0]
            notifier.tell(JobFailed(job.id, job.key, error), subject=f"job:{job.key}")

    registry.add(
        webhook.KEY,
        post,
        queue=QUEUE,
        backoff=webhook.BACKOFF,
        timeout="1m",
    )
    registry.add(SUMMARY, summarize, queue=QUEUE, backoff=_BACKOFF)
    registry.add(EVENT, tell_end, queue=QUEUE, backoff=_BACKOFF)
