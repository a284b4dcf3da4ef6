"""How a process finds the app: by the name of a module, or by the path of a script.

A *target* is text, since it crosses process boundaries: ``shop.app:app``, ``tools/sync.py``,
``tools/sync.py:app``, or ``/srv/shop/shop.app:app`` where a folder has to be importable first. Without
``:name`` it means the only app in there, or the one called ``app``.

A script is imported under a name of its own, never as ``__main__``, so what it does under
``if __name__ == "__main__":`` is not done again.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Any, Protocol, cast

from windlass.errors import ConfigError, StartFailed, WindlassError
from windlass.payload import type_name
from windlass.redact import message_of

if TYPE_CHECKING:
    from pathlib import Path

    from windlass.clock import Clock
    from windlass.config import Settings
    from windlass.context import Service, StopReason
    from windlass.context.kept import LogBook
    from windlass.device import AnyDevice
    from windlass.handlers import Registry
    from windlass.outcome import AnyOutcome
    from windlass.store.place import Place
    from windlass.store.protocol import Claim, Store

_ABSENT = object()
_SCRIPT_NAME = "windlass_script_"
_SCRIPT = re.compile(r"(?P<path>.+\.py)(?::(?P<name>[\w.]+))?")
_MODULE = re.compile(r"(?:(?P<folder>.*)/)?(?P<module>[^\W\d][\w.]*)(?::(?P<name>[\w.]+))?")


class AppLike(Protocol):
    """What a worker needs of an app."""

    @property
    def registry(self) -> Registry:
        """Its handlers."""
        ...

    @property
    def store(self) -> Store:
        """Its database."""
        ...

    @property
    def settings(self) -> Settings:
        """Its settings."""
        ...

    @property
    def clock(self) -> Clock:
        """Where its time comes from."""
        ...

    @property
    def place(self) -> Place:
        """Where its database is."""
        ...

    @property
    def state_dir(self) -> Path:
        """The folder of locks, bells and logs beside its database."""
        ...

    @property
    def target(self) -> str:
        """Where another process finds it."""
        ...

    def prepare(self) -> None:
        """Completes and checks its handlers, before anything runs."""
        ...

    def make_performer(
        self, service: Service, report_progress: Callable[[Claim, str], None], logs: LogBook | None = None
    ) -> PerformerLike:
        """What runs its handlers in this process."""
        ...

    def make_desk(self) -> DeskLike:
        """What minds the status line of a dispatcher's process."""
        ...

    def open_device(self, on_change: Callable[[], None]) -> AnyDevice:
        """The device, for whoever waits for its conditions."""
        ...

    def make_sources(self) -> Sequence[SourceLike]:
        """What makes jobs by itself, for one dispatcher to ask."""
        ...


class PerformerLike(Protocol):
    """What runs handlers; see ``worker/executor.py``."""

    @property
    def running(self) -> Collection[int]:
        """Ids of the jobs that run now."""
        ...

    def perform(self, claim: Claim) -> AnyOutcome:
        """Runs one attempt in this thread."""
        ...

    async def aperform(self, claim: Claim) -> AnyOutcome:
        """Runs one attempt of an async handler in this event loop."""
        ...

    def cancel(self, job_id: int, reason: StopReason, *, interrupt: bool = True) -> bool:
        """Tells a running attempt to stop."""
        ...

    def close(self, patience_s: float) -> None:
        """The process may end after this: what is still to be told is told now, so long at most."""
        ...


class DeskLike(Protocol):
    """What hears a pool and tells people; see ``notify/desk.py``."""

    def tap(self, inbox: Any, held: Callable[[], Collection[int]]) -> Any:
        """Stands between a pool, which has the ``held`` jobs, and the inbox of its dispatcher."""
        ...

    def close(self) -> None:
        """Shows nothing any more."""
        ...


class SourceLike(Protocol):
    """What makes jobs; see ``worker/sources.py``."""

    @property
    def job_keys(self) -> frozenset[str]:
        """When a job of one of these is settled, it is asked again."""
        ...

    def look(self) -> float | None:
        """Enqueues what is due; seconds until it wants to be asked again."""
        ...

    def close(self) -> None:
        """Lets go of whatever it listens to."""
        ...


_loaded: dict[str, AppLike] = {}
_is_loading = False


def loading() -> bool:
    """True while this process imports a program to find its app: nothing must be started meanwhile."""
    return _is_loading


def load_app(target: str) -> AppLike:
    """The app that the target names; imported once per process.

    Raises:
        ConfigError: the target names no file, module or app.
        StartFailed: the program fails while it is imported; the message says how and where.
    """
    app = _loaded.get(target)
    if app is None:
        script = _SCRIPT.fullmatch(target)
        named = None if script else _MODULE.fullmatch(target)
        if script:
            module, name = _import_script(script["path"]), script["name"]
        elif named:
            module, name = _import_module(named["folder"], named["module"]), named["name"]
        else:
            raise ConfigError(
                f"expected an app such as package.module:app or path/to/script.py, got {target!r}"
            )
        app = _loaded[target] = _find(module, name, target)
    return app


def origin_of(frame: FrameType) -> str:
    """The name of the module whose code a frame runs: take it where an app is made, for ``target_of``."""
    return str(frame.f_globals.get("__name__"))


def target_of(app: object, origin: str) -> str:
    """The target by which another process finds this very app, which was made in the module ``origin``.

    Raises:
        ConfigError: it stands in no variable of an importable module or a script file.
    """
    for name in dict.fromkeys((origin, *sys.modules)):
        found = sys.modules.get(name)
        variables = [one for one, value in vars(found).items() if value is app] if found else []
        place = _place_of(name, found) if found and variables else None
        if place is not None:
            return f"{place}:{min(variables, key=lambda one: one.startswith('_'))}"
    raise ConfigError(
        "another process could not find this app: keep it in a variable of a module or script file, "
        'or name it, such as app.service.start("package.module:app")'
    )


def _place_of(name: str, module: ModuleType) -> str | None:
    """What an import needs to give the module again, or None where nothing does."""
    file = getattr(module, "__file__", None)
    if name == "__main__" and module.__spec__ is not None:
        name = module.__spec__.name  # it runs by ``python -m``
    if name == "__main__" or name.startswith(_SCRIPT_NAME):
        return os.path.abspath(file) if file is not None and os.path.isfile(file) else None
    if file is None:
        return name if getattr(sys, "frozen", False) else None
    folder = os.path.dirname(os.path.abspath(file))
    is_package = os.path.splitext(os.path.basename(file))[0] == "__init__"
    for _ in range(name.count(".") + is_package):
        folder = os.path.dirname(folder)
    return f"{folder}/{name}"


def _import_module(folder: str | None, name: str) -> ModuleType:
    _make_importable(os.path.abspath(folder or os.getcwd()))
    with _importing(name):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise  # the program's own import: told as its failure
            where = folder or "this folder"
            raise ConfigError(f"no module named {error.name} in {where} or on the import path") from error


def _import_script(path: str) -> ModuleType:
    path = os.path.abspath(path)
    if not os.path.isfile(path):
        raise ConfigError(f"there is no script {path}")
    folder, stem = os.path.dirname(path), os.path.splitext(os.path.basename(path))[0]
    _make_importable(folder)
    with _importing(path):
        # By its own name where an import would find this very file: its other modules may import it so, and
        # must then meet the same app.
        if stem.isidentifier() and _file_of(stem) == os.path.realpath(path):
            return importlib.import_module(stem)
        name = f"{_SCRIPT_NAME}{stem}_{hashlib.sha256(path.encode()).hexdigest()[:8]}"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None  # the name ends in .py
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module


def _file_of(name: str) -> str | None:
    """The file behind a module name, without importing it."""
    known = sys.modules.get(name)
    if known is not None:
        file = getattr(known, "__file__", None)
    else:
        spec = importlib.util.find_spec(name)
        file = None if spec is None else spec.origin
    return None if file is None else os.path.realpath(file)


def _make_importable(folder: str) -> None:
    known = {os.path.realpath(entry or os.getcwd()) for entry in sys.path}
    if os.path.realpath(folder) not in known:
        sys.path.insert(0, folder)


@contextmanager
def _importing(what: str) -> Generator[None]:
    global _is_loading
    before, _is_loading = _is_loading, True
    try:
        yield
    except WindlassError:
        raise
    except SystemExit as error:
        raise StartFailed(
            f"{what} ended itself while it was imported (exit {error.code!r}): put what it does as a "
            'program under if __name__ == "__main__":'
        ) from error
    except Exception as error:
        raise StartFailed(
            f"{what} failed while it was imported: {type(error).__name__}: {message_of(error)}{_where(error)}"
        ) from error
    finally:
        _is_loading = before


def _where(error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return ""  # its own text names the place
    place = ""
    trace = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith("<") and file != __file__ and "importlib" not in file:
            place = f" ({file}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return place


def _find(module: ModuleType, name: str | None, target: str) -> AppLike:
    apps = {one: value for one, value in vars(module).items() if _is_app(value)}
    if name is None:
        if "app" in apps:
            return cast("AppLike", apps["app"])
        if len({id(value) for value in apps.values()}) == 1:
            return cast("AppLike", next(iter(apps.values())))
        if not apps:
            raise ConfigError(f"{target} holds no app: expected a variable such as app = Windlass(...)")
        raise ConfigError(
            f"{target} holds several apps: name one of {', '.join(f'{target}:{one}' for one in apps)}"
        )
    value: Any = module
    for part in name.split("."):
        value = getattr(value, part, _ABSENT)
    if value is _ABSENT:
        import difflib

        close = difflib.get_close_matches(name, apps, 1) or list(apps)[:1]
        hint = f": did you mean {close[0]}?" if close else ""
        raise ConfigError(f"{target}: there is no {name} in {module.__name__}{hint}")
    if not _is_app(value):
        raise ConfigError(f"{target}: expected a Windlass app, got {type_name(value)}")
    return cast("AppLike", value)


def _is_app(value: object) -> bool:
    """Looks at what is there without touching properties: those of an app open its database."""
    if isinstance(value, type):
        return False
    own = getattr(value, "__dict__", {})
    return all(name in own or hasattr(type(value), name) for name in ("registry", "store", "settings"))
