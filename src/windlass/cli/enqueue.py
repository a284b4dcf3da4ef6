"""``windlass enqueue``: one job from the shell."""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from windlass.cli.exits import ExitCode
from windlass.cli.options import App, Db, Json, open_app
from windlass.cli.output import Output
from windlass.errors import InvalidJob, InvalidPayload
from windlass.redact import printable

if TYPE_CHECKING:
    from windlass import job as kinds
    from windlass.job import Job

cli = typer.Typer(add_completion=False)

Unique = Annotated[
    str | None, typer.Option("--unique", "-u", help="At most one unfinished job has this name.")
]
Existing = Annotated[
    str, typer.Option(help="With --unique: keep, replace, update, append or append_or_replace.")
]
Debounce = Annotated[str | None, typer.Option(help='With --unique: due this long after the last call: "2s".')]


@cli.command()
def enqueue(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The job key.")],
    payload: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[JSON | - | NAME=VALUE…]",
            help="A JSON object, - to read one from stdin, or fields. A value that is JSON is taken as such "
            "(7, true, [1,2]); any other is text. Force text with quotes of its own: zip='\"0123\"'.",
            show_default=False,
        ),
    ] = None,
    priority: Annotated[int | None, typer.Option("--priority", "-p", help="Higher runs first.")] = None,
    queue: Annotated[str | None, typer.Option("--queue", "-q", help="The queue.")] = None,
    delay: Annotated[str | None, typer.Option(help='Due after this long: "10m".')] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="Due then: 2030-01-31T08:00 (local) or …Z.")
    ] = None,
    max_attempts: Annotated[int | None, typer.Option(help="Total runs allowed.")] = None,
    timeout: Annotated[str | None, typer.Option(help='Ended by force after this long: "30s".')] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", "-t", help="A tag; repeatable.")] = None,
    idempotency_key: Annotated[
        str | None, typer.Option("--idempotency-key", help="A second enqueue with it makes no second job.")
    ] = None,
    unique: Unique = None,
    existing: Existing = "keep",
    debounce: Debounce = None,
    deadline: Annotated[
        str | None, typer.Option(help='FAILED if it is not over so long from now: "1h".')
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Do not wait for the disk: a power cut may lose it.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", "-w", help="Wait for its end; exit code 1 if it did not complete.")
    ] = False,
    db: Db = None,
    app: App = None,
    as_json: Json = False,
) -> None:
    """Enqueue one job. Where the program is known (--app, windlass.toml), its handler checks the payload."""
    fields = read_payload(payload or [])
    opened = open_app(db, app, handlers=True, create=True)
    is_new = opened.place.is_file and not os.path.exists(opened.place.base)
    job = opened.enqueue(
        key,
        fields,
        priority=priority,
        queue=queue,
        delay=delay,
        run_at=_moment(at),
        max_attempts=max_attempts,
        timeout=timeout,
        tags=tag or (),
        idempotency_key=idempotency_key,
        unique=unique,
        existing=cast("kinds.Existing", existing),
        debounce=debounce,
        deadline=deadline,
        durability="fast" if fast else None,
    )
    output = Output(as_json=as_json)
    if is_new:
        output.note(f"{opened.place.shown} is a new file: --db, --app, windlass.toml name others")
    if wait:
        if not as_json:
            output.note(_told(job), "dim")
        job = opened.jobs.wait(job.id)
    output.data(job, lambda: _ended(job) if wait else _told(job))
    if wait and job.status != "COMPLETED":
        raise typer.Exit(ExitCode.FAILURE)


def read_payload(words: list[str]) -> dict[str, Any] | None:
    """The payload that the words say.

    >>> read_payload(["user=ada", "count=3", "deep=[1,2]"])
    {'user': 'ada', 'count': 3, 'deep': [1, 2]}

    Raises:
        InvalidPayload: neither a JSON object nor fields.
    """
    if not words:
        return None
    if len(words) == 1 and (words[0] == "-" or words[0].lstrip().startswith("{")):
        return _object(sys.stdin.read() if words[0] == "-" else words[0])
    fields: dict[str, Any] = {}
    for word in words:
        name, separator, value = word.partition("=")
        if not separator or not name:
            raise InvalidPayload(f"expected NAME=VALUE or one JSON object, got {word!r}")
        if name in fields:
            raise InvalidPayload(f"expected each field once, got {name!r} twice")
        fields[name] = _value(value)
    return fields


def _object(text: str) -> dict[str, Any]:
    try:
        parsed = json.loads(text)
    except ValueError as error:
        raise InvalidPayload(f"expected the payload to be a JSON object: {error}") from error
    except RecursionError:
        raise InvalidPayload("expected the payload to be nested at most 64 deep") from None
    if not isinstance(parsed, dict):
        raise InvalidPayload(f"expected the payload to be a JSON object, got {text[:80]!r}")
    return cast("dict[str, Any]", parsed)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InvalidJob(
            f"expected --at to be a time such as 2030-01-31T08:00 or 2030-01-31T08:00Z, got {text!r}"
        ) from None


def _told(job: Job) -> str:
    return {
        "created": f"enqueued job {job.id}",
        "kept": f"job {job.id} has that idempotency key or unique key already: no new job was made",
        "replaced": f"enqueued job {job.id} in place of what had its unique key",
        "updated": f"updated job {job.id}",
        "appended": f"enqueued job {job.id}: it runs after what has its unique key",
        "debounced": f"put off job {job.id}",
    }[job.disposition]


def _ended(job: Job) -> str:
    if job.status == "COMPLETED":
        return f"job {job.id} completed" + (
            "" if job.result is None else f": {printable(json.dumps(job.result))}"
        )
    told = printable(job.last_error or "").splitlines()
    return f"job {job.id} is {job.status}" + (f": {told[0]}" if told else "")
