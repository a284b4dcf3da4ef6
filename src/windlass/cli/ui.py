"""``windlass ui``: the dashboard in a browser, for the person at this machine alone."""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from windlass.cli.exits import ExitCode
from windlass.cli.options import App, Db, fail, open_app
from windlass.cli.output import Output
from windlass.platform import FileLock, file_lock

if TYPE_CHECKING:
    from windlass.app import Windlass

cli = typer.Typer(add_completion=False)

PORT = 8753
LOCK = "dashboard.lock"
"""In the state folder: held by the dashboard that `windlass ui` without a port opens again; its text is the
port."""
_HOST = "127.0.0.1"
_GRACE_S = 3


@cli.command()
def ui(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[TARGET]",
            help="The program: module:attr or path/to/script.py. With it, jobs can be run from forms.",
            show_default=False,
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help=f"Listen there: {PORT} unless given; 0: any that is free."),
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Nobody may change anything.")] = False,
    no_open: Annotated[bool, typer.Option("--no-open", help="Open no browser: print the link.")] = False,
    db: Db = None,
    app: App = None,
) -> None:
    """Open the dashboard: see the work, know why it waits, put it right. Ctrl-C ends it.

    It listens on this machine's own address, where only who has the link comes in: it works once, within five
    minutes. Where a dashboard of this database runs already, that one is opened.
    """
    if importlib.util.find_spec("uvicorn") is None or importlib.util.find_spec("starlette") is None:
        fail('the dashboard needs starlette and uvicorn: pip install "windlass[cli,ui]"', ExitCode.FAILURE)
    opened = open_app(db, target or app, handlers=True)
    output = Output()
    lock = file_lock(os.path.join(opened.place.make_folder(), LOCK))
    if not lock.try_acquire() and port is None and not read_only:
        running = _told_port(lock)
        if running is not None:
            from windlass.web.app import dashboard

            _show(output, _origin(running), dashboard(opened).entry(), no_open)
            return
    listener = _listen(PORT if port is None else port)
    if listener is None and port is not None:
        fail(f"port {port} is taken: name another one, or --port 0 for any", ExitCode.CONFLICT)
    listener = listener or _listen(0)
    if listener is None:
        fail("no port is free on this machine", ExitCode.TRY_AGAIN)
    if lock.held:
        lock.write(str(listener.getsockname()[1]))
    try:
        _serve(opened, listener, output, read_only=read_only, no_open=no_open)
    finally:
        lock.release()


def _serve(
    opened: Windlass, listener: socket.socket, output: Output, *, read_only: bool, no_open: bool
) -> None:
    import uvicorn

    from windlass.web.app import dashboard

    port = listener.getsockname()[1]
    hosts = [f"{_HOST}:{port}", f"localhost:{port}"]
    pages = dashboard(opened, read_only=read_only, allowed_hosts=hosts)

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: object) -> None:
            # Open pages listen without end: they are let go first.
            pages.close()
            super().handle_exit(sig, frame)  # pyright: ignore[reportArgumentType]

    config = uvicorn.Config(
        pages,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=_GRACE_S,
    )
    _show(output, _origin(port), pages.entry(), no_open)
    output.note("Ctrl-C ends it", "dim")
    try:
        Server(config).run(sockets=[listener])
    except KeyboardInterrupt:
        output.note("the dashboard has ended; jobs go on", "dim")


def _show(output: Output, origin: str, entry: str, no_open: bool) -> None:
    """The link alone on stdout, so that a script can read it; the browser where there is one."""
    link = origin + entry
    sys.stdout.write(f"{link}\n")
    sys.stdout.flush()
    if no_open or not _has_browser():
        return
    import webbrowser

    if not webbrowser.open(link):
        output.note("no browser could be opened: the link above works once, within five minutes")


def _has_browser() -> bool:
    """False where one could only be a text browser in this very terminal."""
    if sys.platform in ("win32", "darwin"):
        return True
    return any(os.environ.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"))


def _listen(port: int) -> socket.socket | None:
    """A socket that listens on this machine alone; None where the port is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_HOST, port))
        # From here on the link works: who comes early waits a moment.
        listener.listen(128)
    except OSError:
        listener.close()
        return None
    return listener


def _told_port(lock: FileLock) -> int | None:
    """Where the dashboard listens that holds the lock; None where it has not said so yet."""
    with open(lock.path, encoding="ascii") as file:
        told = file.read()
    return int(told) if told.isdecimal() else None


def _origin(port: int) -> str:
    return f"http://{_HOST}:{port}/"
