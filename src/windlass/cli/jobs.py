"""``windlass jobs``: look at jobs and change what becomes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, NoReturn

import msgspec
import typer

from windlass.cli.exits import ExitCode
from windlass.cli.options import App, Db, Json, Yes, fail, open_app
from windlass.cli.output import Output

if TYPE_CHECKING:
    from windlass.app import Windlass


cli = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="List, show, retry, cancel, delete; why a job is not running.",
)

Ids = Annotated[list[int] | None, typer.Argument(metavar="[ID]…", help="The jobs' ids.", show_default=False)]
JobId = Annotated[int, typer.Argument(metavar="ID", help="The job's id.")]
Status = Annotated[
    list[str] | None,
    typer.Option(
        "--status",
        "-s",
        metavar="STATUS",
        help="PENDING, RUNNING, COMPLETED, FAILED or CANCELLED; repeatable.",
    ),
]
Key = Annotated[str | None, typer.Option("--key", "-k", help="Only this job key.")]
Queue = Annotated[str | None, typer.Option("--queue", "-q", help="Only this queue.")]
Tag = Annotated[str | None, typer.Option("--tag", "-t", help="Only with this tag.")]
Unique = Annotated[
    str | None, typer.Option("--unique", "-u", help="Only with this unique key, or in line for it.")
]
Held = Annotated[bool, typer.Option("--held", help="Only jobs that are held.")]

_BATCH = 500
_RELATIVES = 100
"""So many parents and children of a job are shown."""


@cli.command("list")
def list_(
    status: Status = None,
    key: Key = None,
    queue: Queue = None,
    tag: Tag = None,
    unique: Unique = None,
    held: Held = False,
    order: Annotated[
        str,
        typer.Option(help="id, created_at, updated_at, priority or finished_at; a leading - turns it."),
    ] = "-id",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000, help="At most so many.")] = 50,
    offset: Annotated[int, typer.Option(min=0, help="Leave out so many first.")] = 0,
    db: Db = None,
    app: App = None,
    as_json: Json = False,
) -> None:
    """Jobs that match everything that is given, newest first."""
    opened = open_app(db, app)
    found = opened.jobs.list(
        status=status,
        key=key,
        queue=queue,
        tag=tag,
        unique=unique,
        held=held or None,
        order=order,
        limit=limit,
        offset=offset,
    )

    def show() -> object:
        from windlass.cli.render import jobs_table

        return jobs_table(found)

    Output(as_json=as_json).data(found, show)
    if len(found) == limit and not as_json:
        Output().note(f"the first {limit:,}; --limit and --offset show more", "dim")


@cli.command()
def show(job_id: JobId, db: Db = None, app: App = None, as_json: Json = False) -> None:
    """Everything about one job, with its history."""
    opened = open_app(db, app)
    job = opened.jobs.get(job_id) or _no_such_job(job_id)
    attempts = opened.jobs.attempts(job_id)
    family = {
        "parents": opened.jobs.parents(job_id, limit=_RELATIVES),
        "children": opened.jobs.children(job_id, limit=_RELATIVES),
    }

    def panel() -> object:
        from windlass.cli.render import job_panel

        return job_panel(job, attempts, family)

    Output(as_json=as_json).data({**msgspec.structs.asdict(job), "history": attempts, **family}, panel)


@cli.command()
def tree(job_id: JobId, db: Db = None, app: App = None, as_json: Json = False) -> None:
    """The jobs it waits for, and those that wait for it, generation by generation."""
    from windlass.cli.tree import tree_of, tree_view

    opened = open_app(db, app)
    job = opened.jobs.get(job_id) or _no_such_job(job_id)
    found = tree_of(opened.jobs, job)
    Output(as_json=as_json).data(found, lambda: tree_view(found))


@cli.command()
def attempts(job_id: JobId, db: Db = None, app: App = None, as_json: Json = False) -> None:
    """What went wrong so far, oldest first."""
    opened = open_app(db, app)
    if opened.jobs.get(job_id) is None:
        _no_such_job(job_id)
    made = opened.jobs.attempts(job_id)

    def table() -> object:
        from windlass.cli.render import attempts_table

        return attempts_table(made)

    Output(as_json=as_json).data(made, table)


@cli.command()
def logs(
    job_id: JobId,
    attempt: Annotated[int | None, typer.Option(min=1, help="Only of that attempt.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Until the job is over.")] = False,
    lines: Annotated[int | None, typer.Option("--lines", "-n", min=0, help="Only the last ones.")] = None,
    db: Db = None,
    app: App = None,
    as_json: Json = False,
) -> None:
    """What its handler logged, oldest first."""
    from windlass.cli.logs import show_logs

    opened = open_app(db, app)
    if opened.jobs.get(job_id) is None:
        _no_such_job(job_id)
    show_logs(opened, job_id, Output(as_json=as_json), attempt=attempt, follow=follow, last=lines)


@cli.command()
def why(job_id: JobId, db: Db = None, app: App = None, as_json: Json = False) -> None:
    """Why is this job not running, and until when?"""
    opened = open_app(db, app)
    if opened.jobs.get(job_id) is None:
        _no_such_job(job_id)
    answer = opened.jobs.why(job_id)

    def sentence() -> object:
        from rich.text import Text

        from windlass.redact import printable

        return Text(f"job {job_id}: {printable(answer.reason)}")

    Output(as_json=as_json).data(answer, sentence)


@cli.command()
def retry(
    ids: Ids = None,
    status: Status = None,
    key: Key = None,
    queue: Queue = None,
    tag: Tag = None,
    held: Held = False,
    yes: Yes = False,
    db: Db = None,
    app: App = None,
    as_json: Json = False,
) -> None:
    """Make ended, held and waiting jobs ready now: by id, or all that match the filters."""
    opened = open_app(db, app)
    chosen = _choose(opened, ids, "retry", yes, status=status, key=key, queue=queue, tag=tag, held=held)
    _change(opened, chosen, "retried", as_json, opened.jobs.retry)


@cli.command()
def cancel(
    ids: Ids = None,
    status: Status = None,
    key: Key = None,
    queue: Queue = None,
    tag: Tag = None,
    unique: Unique = None,
    held: Held = False,
    everything: Annotated[bool, typer.Option("--all", help="Every job that is not over.")] = False,
    yes: Yes = False,
    db: Db = None,
    app: App = None,
    as_json: Json = False,
) -> None:
    """Cancel pending jobs and ask running ones to stop: by id, all that match the filters, or all."""
    opened = open_app(db, app)
    filtered = bool(key or queue or tag or unique or held)
    if everything and (ids or status or filtered):
        raise typer.BadParameter("give --all alone: it needs neither ids nor filters")
    if everything or (filtered and not status):
        # What is over is not meant: of that there is nothing to cancel.
        status = ["PENDING", "RUNNING"]
    chosen = _choose(
        opened, ids, "cancel", yes, status=status, key=key, queue=queue, tag=tag, unique=unique, held=held
    )

    def change(batch: Sequence[int]) -> list[int]:
        stands = opened.jobs.cancel(batch)
        return [job_id for job_id, found in stands.items() if found in ("CANCELLED", "RUNNING")]

    _change(opened, chosen, "cancelled", as_json, change)


@cli.command()
def delete(
    ids: Ids = None,
    status: Status = None,
    key: Key = None,
    queue: Queue = None,
    tag: Tag = None,
    held: Held = False,
    yes: Yes = False,
    db: Db = None,
    app: App = None,
    as_json: Json = False,
) -> None:
    """Delete jobs that are not running, with their history: by id, or all that match the filters."""
    opened = open_app(db, app)
    chosen = _choose(opened, ids, "delete", yes, status=status, key=key, queue=queue, tag=tag, held=held)
    _change(opened, chosen, "deleted", as_json, opened.jobs.delete)


def _choose(
    opened: Windlass,
    ids: list[int] | None,
    verb: str,
    yes: bool,
    *,
    status: list[str] | None,
    key: str | None,
    queue: str | None,
    tag: str | None,
    held: bool,
    unique: str | None = None,
) -> list[int]:
    """The ids given, or those of every job that matches; many are not changed without a question."""
    filtered = bool(status or key or queue or tag or unique or held)
    if ids and filtered:
        raise typer.BadParameter("give ids or filters, not both")
    if ids:
        return ids
    if not filtered:
        raise typer.BadParameter(
            f"which jobs? Give ids, or filters such as --status FAILED, to {verb} all that match"
        )
    from windlass.browsing import job_filter

    where = job_filter(status=status, key=key, queue=queue, tag=tag, unique=unique, held=held or None)
    chosen: list[int] = []
    while True:
        page = opened.store.select(where, order="id", limit=_BATCH)
        chosen += [job.id for job in page]
        if len(page) < _BATCH:
            break
        where = msgspec.structs.replace(where, after_id=page[-1].id)
    if chosen and not yes:
        typer.confirm(f"{verb} {len(chosen):,} jobs?", abort=True, err=True)
    return chosen


def _change(
    opened: Windlass,
    chosen: Sequence[int],
    done_word: str,
    as_json: bool,
    change: Callable[[Sequence[int]], Iterable[int]],
) -> None:
    output = Output(as_json=as_json)
    changed: list[int] = []
    with output.progress() as bar:
        task = bar.add_task(done_word, total=len(chosen))
        for start in range(0, len(chosen), _BATCH):
            batch = chosen[start : start + _BATCH]
            changed += change(batch)
            bar.advance(task, len(batch))
    left = sorted(set(chosen) - set(changed))
    found = {job_id: opened.jobs.get(job_id) for job_id in left[:_BATCH]}
    missing = [job_id for job_id, job in found.items() if job is None]
    refused = {job_id: job.status for job_id, job in found.items() if job is not None}

    def sentence() -> object:
        from rich.text import Text

        return Text(f"{done_word} {len(changed):,} of {len(chosen):,}")

    output.data({done_word: changed, "missing": missing, "left": refused}, sentence)
    for job_id, job_status in refused.items():
        output.note(f"windlass: job {job_id} is {job_status}: left as it was")
    if missing:
        fail(f"there is no job {', '.join(map(str, missing))}", ExitCode.NOT_FOUND)
    if left:
        raise typer.Exit(ExitCode.FAILURE)


def _no_such_job(job_id: int) -> NoReturn:
    fail(f"there is no job {job_id}", ExitCode.NOT_FOUND)
