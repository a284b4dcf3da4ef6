"""Looking through many jobs and acting on many, in bounded parts: the job manager's half for lists.

Each call is quick however many jobs there are, and says how to go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from windlass.bridge import asynchronous
from windlass.clock import monotonic
from windlass.errors import InvalidJob
from windlass.fields import checked_count, checked_job_id
from windlass.job import Job, JobStatus
from windlass.store.listing import Field
from windlass.store.protocol import JobFilter, Store

if TYPE_CHECKING:
    from collections.abc import Callable

StatusLike = JobStatus | str
Statuses = StatusLike | Iterable[StatusLike] | None
Action = Literal["retry", "cancel", "delete"]

_FOR: dict[str, tuple[JobStatus, ...]] = {
    "cancel": tuple(one for one in JobStatus if not one.is_final),
    "retry": tuple(one for one in JobStatus if one is not JobStatus.RUNNING),
    "delete": tuple(one for one in JobStatus if one is not JobStatus.RUNNING),
}
_PIECE_S = 0.02
"""So long one transaction of a step may take: others want to write, too."""
_PIECE_LEAST, _PIECE_MOST = 10, 500
_STEP_S = 1.0


class JobListing(msgspec.Struct, frozen=True, kw_only=True):
    """A page of jobs, and how many match in all."""

    jobs: list[Job]
    next: str | None
    """What to give as ``after`` for the next page; None: this is the last one."""
    total: int
    total_is_least: bool
    """Counting stopped there: there may be more."""
    looked: int
    """How many jobs had to be looked at for this page, where no index has what was asked."""
    complete: bool
    """False: looking stopped before the page was full; ``next`` goes on from there."""


class Step(NamedTuple):
    """One part of an action on many jobs."""

    looked: int
    """How many jobs matched in this part."""
    changed: int
    next: str | None
    """What to give as ``after`` to go on; None: it is done."""


def stays_here(manager: Browsing, *_: object, **__: object) -> bool:
    """True where it works on a caller's connection: then only on the caller's thread."""
    return manager._store.borrowed  # pyright: ignore[reportPrivateUsage]


class Browsing:
    """The job manager's verbs for lists."""

    @property
    def _store(self) -> Store:
        raise NotImplementedError

    def page(
        self,
        *,
        status: Statuses = None,
        key: str | None = None,
        queue: str | None = None,
        tag: str | None = None,
        unique: str | None = None,
        held: bool | None = None,
        search: str | None = None,
        ids: Iterable[int] | None = None,
        order: str = "-id",
        limit: int = 50,
        after: str | None = None,
    ) -> JobListing:
        """A page of jobs that match all that is given, and how many there are, counted up to 10,000.

        ``search`` is words, each of which is in the job's key, queue, tags, unique key, last error or
        payload; of an id it finds the job. What takes a look at each row is looked for, newest first, for
        about 50 ms: then the page may be short, and ``next`` goes on. ``order`` is as of ``list``;
        ``priority`` and ``updated_at`` take 20,000 jobs at most.

        Raises:
            InvalidJob: a status, an order or ``after`` cannot be right, or too many jobs are to be put in
                order.
        """
        where = job_filter(
            status=status, key=key, queue=queue, tag=tag, unique=unique, held=held, search=search,
            ids=_checked(ids),
        )  # fmt: skip
        checked_count("limit", limit)
        found = self._store.page(where, order=order, limit=limit, after=after)
        jobs = found.jobs
        if after is None and (named := self._named(search, where)) is not None:
            jobs = [named, *(job for job in jobs if job.id != named.id)][:limit]
        if after is None and found.next is None:
            return JobListing(
                jobs=jobs,
                next=None,
                total=len(jobs),
                total_is_least=False,
                looked=found.looked,
                complete=True,
            )
        total = self._store.count(where)
        return JobListing(
            jobs=jobs,
            next=found.next,
            total=max(total.number, len(jobs)),
            total_is_least=total.is_least,
            looked=found.looked,
            complete=found.complete,
        )

    def _named(self, search: str | None, where: JobFilter) -> Job | None:
        """The job whose id was looked for, where it matches in all else."""
        text = (search or "").strip()
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            return None
        if where.ids is not None and int(text) not in where.ids:
            return None
        alone = msgspec.structs.replace(where, search=None, ids=(int(text),))
        return next(iter(self._store.select(alone, limit=1)), None)

    def suggest(self, field: Field, prefix: str = "", *, limit: int = 20) -> list[str]:
        """Job keys, queues or tags in use of late that begin with ``prefix``, then those that have it in
        them."""
        return self._store.suggest(field, prefix, limit=checked_count("limit", limit))

    def matching(
        self,
        action: Action,
        *,
        status: Statuses = None,
        key: str | None = None,
        queue: str | None = None,
        tag: str | None = None,
        unique: str | None = None,
        held: bool | None = None,
        search: str | None = None,
        ids: Iterable[int] | None = None,
    ) -> tuple[int, bool]:
        """How many jobs an action with this filter is for, and whether there may be more: 100,000 are
        counted, for at most about a second."""
        where = job_filter(
            status=status, key=key, queue=queue, tag=tag, unique=unique, held=held, search=search,
            ids=_checked(ids),
        )  # fmt: skip
        found = self._store.count(_narrowed(where, action), most=100_000, patience_s=_STEP_S)
        return found.number, found.is_least

    def step(
        self,
        action: Action,
        *,
        status: Statuses = None,
        key: str | None = None,
        queue: str | None = None,
        tag: str | None = None,
        unique: str | None = None,
        held: bool | None = None,
        search: str | None = None,
        ids: Iterable[int] | None = None,
        everything: bool = False,
        after: str | None = None,
        limit: int = 1000,
    ) -> Step:
        """Retries, cancels or deletes a part of the jobs that match: at most ``limit``, for about a second.

        It does so in short transactions, so that others can write in between. Repeat it with ``after`` from
        the step before until ``next`` is None: jobs enqueued after the first step are left alone.

        Raises:
            InvalidJob: nothing is asked and ``everything`` is not true; or ``after`` cannot be right.
        """
        where = job_filter(
            status=status, key=key, queue=queue, tag=tag, unique=unique, held=held, search=search,
            ids=_checked(ids),
        )  # fmt: skip
        if where == JobFilter() and not everything:
            raise InvalidJob("expected something to match, such as status=…, or everything=True for all jobs")
        newest, at = _begin(after, self._store)
        where = msgspec.structs.replace(_narrowed(where, action), until_id=newest)
        # Parents have the lower ids: they are retried before their children, and deleted after them.
        page = self._store.ids(
            where, rising=action != "delete", after=at, limit=checked_count("limit", limit)
        )
        done, changed = self._act(action, page.ids)
        if done < len(page.ids):
            return Step(done, changed, f"{newest}.{page.ids[done - 1]}")
        return Step(done, changed, None if page.next is None else f"{newest}.{page.next}")

    def _act(self, action: Action, ids: Sequence[int]) -> tuple[int, int]:
        act: dict[str, Callable[[Sequence[int]], Sequence[int]]] = {
            "retry": self._store.retry,
            "delete": self._store.delete,
            "cancel": lambda some: [
                one for one, now in self._store.cancel(some).items() if _is_cancelled(now)
            ],
        }
        begun = monotonic()
        done = changed = 0
        piece = 50
        while done < len(ids) and (not done or monotonic() - begun < _STEP_S):
            some = ids[done : done + piece]
            before = monotonic()
            changed += len(act[action](some))
            took_s = max(monotonic() - before, 1e-6)
            done += len(some)
            piece = int(min(max(piece * _PIECE_S / took_s, _PIECE_LEAST), 2 * piece, _PIECE_MOST))
        return done, changed

    apage = asynchronous(page, here=stays_here)
    asuggest = asynchronous(suggest, here=stays_here)
    amatching = asynchronous(matching, here=stays_here)
    astep = asynchronous(step, here=stays_here)


def job_filter(
    *,
    status: Statuses = None,
    key: str | None = None,
    queue: str | None = None,
    tag: str | None = None,
    unique: str | None = None,
    held: bool | None = None,
    ids: tuple[int, ...] | None = None,
    search: str | None = None,
) -> JobFilter:
    """A filter from what people write.

    Raises:
        InvalidJob: a status that does not exist.
    """
    statuses: tuple[JobStatus, ...] | None = None
    if status is not None:
        try:
            given = [status] if isinstance(status, str) else status
            statuses = tuple(JobStatus(one.upper()) for one in given)
        except (ValueError, TypeError, AttributeError):
            raise InvalidJob(f"expected status to be one of {', '.join(JobStatus)}, got {status!r}") from None
    words = search if search and search.strip() else None
    return JobFilter(
        status=statuses, key=key, queue=queue, tag=tag, unique=unique, held=held, ids=ids, search=words
    )


def _checked(ids: Iterable[int] | None) -> tuple[int, ...] | None:
    return None if ids is None else tuple(checked_job_id(job_id) for job_id in ids)


def _narrowed(where: JobFilter, action: Action) -> JobFilter:
    """As far as the action may be for them."""
    if action not in _FOR:
        raise InvalidJob(f"expected action to be one of {', '.join(_FOR)}, got {action!r}")
    wanted = JobStatus if where.status is None else where.status
    return msgspec.structs.replace(where, status=tuple(one for one in _FOR[action] if one in wanted))


def _is_cancelled(status: JobStatus) -> bool:
    """It is, or was asked to stop."""
    return status in (JobStatus.CANCELLED, JobStatus.RUNNING)


def _begin(after: str | None, store: Store) -> tuple[int, int | None]:
    """The newest id the action is for, and where it goes on."""
    if after is None:
        return store.newest_id(), None
    newest, _, at = after.partition(".")
    if not (after.isascii() and newest.isdigit() and at.isdigit() and len(after) <= 40):
        raise InvalidJob(f"expected after to be what the step before gave as next, got {after!r:.80}")
    return min(int(newest), 2**63 - 1), min(int(at), 2**63 - 1)
