"""Jobs and moments in few words: for the terminal application, and for what the commands print."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec
from rich.text import Text

from windlass.clock import SystemClock, from_us
from windlass.duration import describe
from windlass.job import Job, JobStatus, Progress
from windlass.redact import printable

STYLES = {
    JobStatus.PENDING: "yellow",
    JobStatus.RUNNING: "cyan",
    JobStatus.COMPLETED: "green",
    JobStatus.FAILED: "red",
    JobStatus.CANCELLED: "magenta",
}
LEVELS = {"DEBUG": "dim", "INFO": "", "WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red"}
"""The styles of what was logged."""
_BAR = 12
_SPARKS = "▁▂▃▄▅▆▇█"
_UNITS = ((1e-3, "µs", 1e6), (1.0, "ms", 1e3))


def first_line(text: str, limit: int = 200) -> str:
    """The first line that says something, safe to print."""
    lines: Iterable[str] = (line.strip() for line in text.splitlines())
    return printable(next((line for line in lines if line), ""))[:limit]


def when(moment: datetime) -> str:
    """The moment as seen from now: ``in 5m``, ``3s ago``; beyond a day, the local date and time."""
    now = from_us(SystemClock().wall_us())
    span_us = round((moment - now).total_seconds() * 1_000_000)
    if abs(span_us) >= 86_400_000_000:
        return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    if abs(span_us) < 1_000_000:
        return "now"
    return f"in {describe(span_us)}" if span_us > 0 else f"{describe(-span_us)} ago"


def age(moment: datetime) -> str:
    """How long ago, or how far ahead, for a narrow column: ``40s``, ``3h``, ``2d``, ``+5m``."""
    seconds = (from_us(SystemClock().wall_us()) - moment).total_seconds()
    ahead, seconds = ("+" if seconds <= -1 else ""), abs(seconds)
    for unit, length, most in (("s", 1, 60), ("m", 60, 3600), ("h", 3600, 86_400)):
        if seconds < most:
            return f"{ahead}{int(seconds // length)}{unit}"
    return f"{ahead}{int(seconds // 86_400)}d"


def took(begun: datetime | None, ended: datetime | None) -> str:
    """How long it took from one to the other."""
    if begun is None or ended is None:
        return ""
    return span(max((ended - begun).total_seconds(), 0.0))


def span(seconds: float | None) -> str:
    """A duration that was measured, to three figures.

    >>> span(0.00042), span(0.0123), span(4.5), span(150), span(None)
    ('420µs', '12.3ms', '4.5s', '2m 30s', '–')
    """
    if seconds is None:
        return "–"
    for below, unit, scale in _UNITS:
        if seconds < below:
            return f"{seconds * scale:.3g}{unit}"
    return f"{seconds:.3g}s" if seconds < 60 else describe(round(seconds) * 1_000_000)


def sparks(values: Sequence[float], width: int) -> str:
    """The last of these values as bars, one a column.

    >>> sparks([0, 1, 4, 8], 6)
    '  ▁▂▅█'
    """
    shown = list(values)[-width:] if width > 0 else []
    most = max(shown, default=0)
    top = len(_SPARKS) - 1
    bars = (
        _SPARKS[max(round(one / most * top), 1 if one > most / 9 else 0)] if one else " " for one in shown
    )
    drawn = "".join(bars) if most else " " * len(shown)
    return drawn.replace(" ", "▁").rjust(width) if shown else ""


def status_text(job: Job) -> Text:
    """The status, with the reason why a pending job waits where the row says so."""
    text = Text(job.status.value, STYLES[job.status])
    aside = ""
    if job.status is JobStatus.PENDING:
        if job.hold is not None:
            aside = "waits" if job.awaits_others else "held"
        elif job.run_at is not None:
            aside = f"{'retry' if job.last_error else 'due'} {when(job.run_at)}"
    elif job.status is JobStatus.RUNNING and job.cancel_requested:
        aside = "asked to stop"
    elif job.reason is not None and job.status is JobStatus.FAILED:
        aside = job.reason
    return text.append(f" {aside}", "dim") if aside else text


def progress_text(progress: Progress) -> Text:
    """A small bar, as far as the handler says."""
    words = Text()
    if progress.fraction is not None:
        full = round(progress.fraction * _BAR)
        words.append("━" * full, "cyan").append("━" * (_BAR - full), "dim")
        words.append(f" {progress.done:g}/{progress.total:g}")
    else:
        words.append(f"{progress.done:g}")
    return words.append(f" {printable(progress.message)}" if progress.message else "")


def counts_line(counts: Mapping[JobStatus, int]) -> Text:
    """``12 PENDING · 2 RUNNING · …``"""
    parts = [
        Text(f"{counts.get(status, 0):,} {status.value.lower()}", STYLES[status]) for status in JobStatus
    ]
    return Text(" · ", "dim").join(parts)


def last_word(job: Job) -> Text:
    """What there is to say of it on one line: how far it is, why it is held, what went wrong, its result."""
    if job.status is JobStatus.RUNNING and job.progress is not None:
        return progress_text(job.progress)
    if job.hold is not None:
        return Text(first_line(job.hold), "yellow")
    if job.last_error is not None and job.status is not JobStatus.COMPLETED:
        return Text(first_line(job.last_error), "red")
    if job.result is not None:
        return Text(printable(msgspec.json.encode(job.result).decode())[:200], "dim")
    return Text("")
