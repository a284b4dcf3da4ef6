"""Settings: gathered from five places, validated once.

What is nearer to the person wins: a command-line flag, then a ``WINDLASS_…`` environment variable, then
``windlass.toml``, then ``[tool.windlass]`` in ``pyproject.toml``, then what the program's code says, then
the defaults below. The two files are looked for in the working directory only.

In the files a setting may be written flat (``service_enabled = false``) or as a table
(``[service]`` / ``enabled = false``); in the environment it is ``WINDLASS_SERVICE_ENABLED``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import msgspec

from windlass.duration import to_seconds
from windlass.errors import ConfigError
from windlass.quiet import QuietHours


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be set, validated. Spans of time are seconds, as floats.

    Where a setting is written, a span may also be text: ``"30s"``, ``"1h 30m"``, ``"7d"``.
    """

    database: str = "windlass.db"
    """The SQLite file, or a ``postgresql://`` URL. A relative path is relative to the working directory."""
    app: str | None = None
    """Where the service finds the program: ``module:attr`` or ``path/to/script.py[:attr]``."""
    durability: Literal["full", "fast"] = "full"
    """What an enqueue waits for: ``full`` survives a power cut, ``fast`` may lose about the last second."""
    isolates: int = 1
    """Child processes that run handlers; the number of CPUs, at most 4."""
    async_concurrency: int = 32
    """Async jobs at once in each isolate."""
    threads: int = 4
    """Threads that run sync handlers in the embedded mode."""
    grace: float = 30.0
    """How long running jobs may go on after a stop was asked for, in seconds."""
    cancel_grace: float = 5.0
    """How long a cancelled sync handler may take to notice before its process is killed, in seconds."""
    transaction_limit: float = 2.0
    """How long ``ctx.transaction()`` may hold the write lock before it is rolled back, in seconds."""
    poll: float = 0.5
    """The slow look at the database that nets what no doorbell told, in seconds."""
    retention: float = 7 * 86_400.0
    """How long finished jobs are kept, in seconds; 7 days."""
    retention_count: int = 1_000_000
    """How many finished jobs of each status are kept at most."""
    recycle_after_jobs: int | None = None
    """An isolate is replaced after this many jobs; None (written 0): never."""
    recycle_memory_mb: int | None = None
    """An isolate is replaced when it has grown past this many megabytes; None (written 0): never."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What the service logs at least."""
    log_format: Literal["text", "json"] = "text"
    """How it logs: lines for people, or one JSON object a line."""
    host: str | None = None
    """What this machine is called among those of one database; its host name by default."""
    labels: tuple[str, ...] = ()
    """What it has, such as ``gpu``: its dispatchers take from queues that are pinned to one of these."""
    keep_logs: Literal["debug", "info", "warning", "error", "off"] = "info"
    """What handlers log is kept with their jobs from this level on; ``off``: it is not kept."""
    service_enabled: bool = True
    """False: ``app.service.start()`` refuses."""
    reload_dirs: tuple[str, ...] = (".",)
    """The folders that ``windlass run --reload`` watches."""
    title: str | None = None
    """What people call this program: the title of its status line and of its notifications."""
    content: str | None = None
    """What its status line says while no job says something."""
    icon: str | None = None
    """The picture beside both: a file, or the name of one of the desktop's own."""
    notify: tuple[str, ...] = ()
    """The channels by which people are told, besides the log."""
    notify_webhook: str | None = None
    """The address to which events are posted; it turns the channel ``webhook`` on."""
    notify_webhook_secret_env: str = "WINDLASS_WEBHOOK_SECRET"
    """The environment variable that holds the secret by which they are signed."""
    notify_quiet: str | None = None
    """When people are not to be disturbed: ``22:00-07:00``, with a time zone or in the machine's own."""
    notify_urgent: tuple[str, ...] = ()
    """The kinds of events that quiet hours do not keep."""
    notify_most: int = 10
    """How many notifications people get in a minute; what is beyond comes as one summary."""

    @property
    def retention_us(self) -> int:
        """``retention`` in whole microseconds, as the store counts."""
        return round(self.retention * 1_000_000)


class _Entry(NamedTuple):
    value: object
    source: str


def load_settings(
    overrides: Mapping[str, Any] | None = None,
    *,
    defaults: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
) -> Settings:
    """Gathers and validates the settings.

    Args:
        overrides: what the person asked for just now (flags); wins over everything. None values are unset.
        defaults: what the program's code says; loses to flags, environment and files.
        env: the environment; the process's own by default.
        cwd: where the two files are looked for; the working directory by default.

    Raises:
        ConfigError: a setting that is unknown or cannot be right; names it, its value and its source.

    >>> load_settings({"grace": "1m"}, env={"WINDLASS_ISOLATES": "2"}, cwd="/nowhere").isolates
    2
    """
    folder = Path.cwd() if cwd is None else Path(cwd)
    gathered: dict[str, _Entry] = {"isolates": _Entry(min(4, os.cpu_count() or 1), "the default")}
    _take(gathered, _given(defaults or {}), "the program")
    _take(gathered, _from_pyproject(folder / "pyproject.toml"), "[tool.windlass] in pyproject.toml")
    _take(gathered, _from_toml(folder / "windlass.toml"), "windlass.toml")
    gathered.update(_from_env(os.environ if env is None else env))
    _take(gathered, _given(overrides or {}), "the command line or call")
    return Settings(**{name: _validated(name, entry) for name, entry in gathered.items()})


def as_env(overrides: Mapping[str, Any]) -> dict[str, str]:
    """Overrides as environment variables: how a flag reaches the processes of the service.

    >>> as_env({"isolates": 2, "service.enabled": True})
    {'WINDLASS_ISOLATES': '2', 'WINDLASS_SERVICE_ENABLED': 'true'}
    """
    variables: dict[str, str] = {}
    for name, value in _given(overrides):
        match value:
            case bool():
                text = "true" if value else "false"
            case list() | tuple():
                text = os.pathsep.join(str(part) for part in cast("list[object]", value))
            case _:
                text = str(value)
        variables[f"WINDLASS_{name.upper()}"] = text
    return variables


def _given(mapping: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    for name, value in mapping.items():
        if value is not None:
            yield name.replace(".", "_").replace("-", "_"), value


def _take(gathered: dict[str, _Entry], found: Iterator[tuple[str, object]], source: str) -> None:
    for name, value in found:
        if name not in _READERS:
            raise ConfigError(f"unknown setting {name!r} in {source}{_did_you_mean(name)}")
        gathered[name] = _Entry(value, source)


def _validated(name: str, entry: _Entry) -> Any:
    try:
        return _READERS[name](entry.value)
    except (ValueError, TypeError, ConfigError) as error:
        wanted = str(error)
    raise ConfigError(f"expected {name} to be {wanted}, got {entry.value!r} from {entry.source}")


def _did_you_mean(name: str) -> str:
    close = _nearest(name, 0.6)
    return f"; did you mean {close!r}?" if close else f"; the settings are {', '.join(sorted(_READERS))}"


def _nearest(name: str, cutoff: float) -> str | None:
    import difflib

    return next(iter(difflib.get_close_matches(name, _READERS, 1, cutoff)), None)


def _from_env(env: Mapping[str, str]) -> dict[str, _Entry]:
    found: dict[str, _Entry] = {}
    for variable, value in env.items():
        if not variable.startswith("WINDLASS_"):
            continue
        name = variable.removeprefix("WINDLASS_").lower()
        if name in _READERS:
            found[name] = _Entry(value, f"the environment variable {variable}")
        elif (close := _nearest(name, 0.85)) is not None:
            # Only a near miss is an error: an orchestrator may set names like WINDLASS_PORT by itself.
            raise ConfigError(
                f"unknown environment variable {variable}; did you mean WINDLASS_{close.upper()}?"
            )
    return found


def _from_toml(path: Path) -> Iterator[tuple[str, object]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return iter(())
    return _flat(_parsed(text, path))


def _from_pyproject(path: Path) -> Iterator[tuple[str, object]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return iter(())
    if "windlass" not in text:
        # Spares most programs the TOML parser, and spares us the errors of files that do not concern us.
        return iter(())
    tool: Any = _parsed(text, path).get("tool", {})
    return _flat(tool.get("windlass", {}))


def _parsed(text: str, path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in table.items():
        name = prefix + key.replace("-", "_")
        if isinstance(value, dict):
            yield from _flat(cast("dict[str, Any]", value), f"{name}_")
        else:
            yield name, value


def _text(value: object) -> str:
    if not isinstance(value, str | os.PathLike) or not os.fspath(cast("str", value)):
        raise ValueError("a text that is not empty")
    return os.fspath(cast("str", value))


def _count(least: int) -> Callable[[object], int]:
    wanted = "a positive integer" if least == 1 else f"an integer of at least {least}"

    def read(value: object) -> int:
        try:
            number = int(value) if isinstance(value, str) else value
        except ValueError:
            number = None
        if isinstance(number, bool) or not isinstance(number, int) or number < least:
            raise ValueError(wanted)
        return number

    return read


def _count_or_off(value: object) -> int | None:
    return _count(0)(value) or None


def _span(least: float) -> Callable[[object], float]:
    def read(value: object) -> float:
        try:
            seconds = to_seconds(_number(value))
        except ConfigError:
            seconds = -1.0
        if seconds < least:
            bound = f" of at least {least:g} s" if least else ""
            raise ValueError(f'a duration such as "10m" or a number of seconds{bound}')
        return seconds

    return read


def _number(value: object) -> Any:
    # A bare number in the environment is text, and means seconds as it does elsewhere.
    if isinstance(value, str) and value.strip().replace(".", "", 1).isdecimal():
        return float(value)
    return value


def _one_of(*choices: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        text = value.strip().lower() if isinstance(value, str) else ""
        if text not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return text

    return read


_FLAGS = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}


def _flag(value: object) -> bool:
    flag = _FLAGS.get(str(value).strip().lower()) if isinstance(value, bool | int | str) else None
    if flag is None:
        raise ValueError("true or false")
    return flag


def _paths(value: object) -> tuple[str, ...]:
    parts: object = value.split(os.pathsep) if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise ValueError(f"a list of folders (in the environment, parted by {os.pathsep!r})")
    return tuple(_text(part) for part in cast("list[object]", parts) if part != "")


def _names(value: object) -> tuple[str, ...]:
    parts: object = re.split(f"[,{os.pathsep}]", value) if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise ValueError("a list of names (in the environment, parted by commas)")
    stripped = (_text(part).strip() for part in cast("list[object]", parts) if part != "")
    return tuple(name for name in stripped if name)


def _quiet(value: object) -> str:
    text = _text(value)
    QuietHours.parse(text)
    return text


_READERS: dict[str, Callable[[object], Any]] = {
    "database": _text,
    "app": _text,
    "durability": _one_of("full", "fast"),
    "isolates": _count(1),
    "async_concurrency": _count(1),
    "threads": _count(1),
    "grace": _span(0.0),
    "cancel_grace": _span(0.0),
    "transaction_limit": _span(0.01),
    "poll": _span(0.01),
    "retention": _span(0.0),
    "retention_count": _count(0),
    "recycle_after_jobs": _count_or_off,
    "recycle_memory_mb": _count_or_off,
    "log_level": _one_of("debug", "info", "warning", "error"),
    "log_format": _one_of("text", "json"),
    "host": _text,
    "labels": _names,
    "keep_logs": _one_of("debug", "info", "warning", "error", "off"),
    "service_enabled": _flag,
    "reload_dirs": _paths,
    "title": _text,
    "content": _text,
    "icon": _text,
    "notify": _names,
    "notify_webhook": _text,
    "notify_webhook_secret_env": _text,
    "notify_quiet": _quiet,
    "notify_urgent": _names,
    "notify_most": _count(1),
}
