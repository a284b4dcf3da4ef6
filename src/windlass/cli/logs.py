"""What a job's handler logged: printed, and followed while it runs."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from windlass.clock import monotonic, sleep
from windlass.redact import printable
from windlass.watch import wait_readable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.text import Text

    from windlass.app import Windlass
    from windlass.cli.output import Output
    from windlass.job import LogLine

_POLL_S = 1.0
_REST_S = 0.05


def show_logs(
    opened: Windlass,
    job_id: int,
    output: Output,
    *,
    attempt: int | None,
    follow: bool,
    last: int | None,
) -> None:
    """Prints the lines that are there, or the ``last`` of them, and those that come until the job is over."""
    found = opened.jobs.logs(job_id, attempt=attempt)
    shown = found if last is None else found[max(len(found) - last, 0) :]
    if not follow:
        output.data(shown, lambda: _all(shown))
        return
    for line in shown:
        _print(output, line)
    for line in _following(opened, job_id, attempt, {_place(line) for line in found}):
        _print(output, line)


def _following(
    opened: Windlass, job_id: int, attempt: int | None, seen: set[tuple[object, ...]]
) -> Iterator[LogLine]:
    with closing(opened.store.bell("watch")) as bell:
        while True:
            bell.drain()
            job = opened.jobs.get(job_id)
            # After the job: its last lines come with its end.
            for line in opened.jobs.logs(job_id, attempt=attempt):
                if (place := _place(line)) not in seen:
                    seen.add(place)
                    yield line
            if job is None or job.status.is_final:
                return
            wait_readable(bell.fileno(), monotonic() + _POLL_S)
            sleep(_REST_S)


def _place(line: LogLine) -> tuple[object, ...]:
    return line.attempt, line.at, line.number


def _print(output: Output, line: LogLine) -> None:
    if output.as_json:
        output.line(line)
    else:
        output.out.print(_text(line), soft_wrap=True)


def _all(lines: list[LogLine]) -> Text:
    from rich.text import Text

    if not lines:
        return Text("nothing that it logged is kept", "dim")
    told: list[Text] = []
    before: LogLine | None = None
    for line in lines:
        is_new = before is None or before.attempt != line.attempt
        if is_new:
            told.append(Text(f"attempt {line.attempt}", "bold"))
        missing = line.number - 1 if is_new or before is None else line.number - before.number - 1
        if missing > 0:
            told.append(Text(f"… {missing:,} lines before are not kept", "dim"))
        told.append(_text(line))
        before = line
    return Text("\n").join(told)


def _text(line: LogLine) -> Text:
    from rich.text import Text

    from windlass.terminal.words import LEVELS

    when = line.at.astimezone().strftime("%H:%M:%S.%f")[:-3]
    text = Text(f"{when}  ", "dim").append(f"{printable(line.level):<7} ", LEVELS.get(line.level, ""))
    return text.append(f"{printable(line.logger)}: ", "dim").append(printable(line.text))
