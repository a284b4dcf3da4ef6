"""A real service and a real dashboard over one database, each a process, and a browser before them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.service.waiting import PATIENCE_S, until

ROOT = Path(__file__).resolve().parent.parent.parent
TARGET = "tests.web.harbour:app"
CHROMIUM = "/usr/bin/chromium"
# As root it has no sandbox; and it asks nobody for anything but the pages.
QUIET = [
    "--no-sandbox", "--disable-background-networking", "--no-first-run", "--disable-gpu", "--disable-sync",
    "--disable-component-update",
]  # fmt: skip
LOAD_MS = 60_000
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


class Stage:
    """A program with its processes: ``harbour``, unless it is another one.

    Its database is a file of the folder, or what ``url`` names.
    """

    def __init__(self, folder: Path, target: str = TARGET, url: str = "", **environment: str) -> None:
        self.folder = folder
        self.database = folder / "harbour.db"
        self.url = url or str(self.database)
        self.target = target
        self.environment = {"PYTHONPATH": str(ROOT), **environment, "HARBOUR_DB": self.url}
        self.processes: dict[str, subprocess.Popen[str]] = {}
        self._listener: threading.Thread | None = None
        self.origin = ""
        self.entry = ""

    def fill(self, *, quick: bool = True) -> None:
        """Makes the jobs and rows that the pages show."""
        self.python("-c", f"from tests.web import harbour; harbour.fill(quick={quick})")

    def python(self, *arguments: str) -> str:
        """Runs a piece of the program in a process of its own."""
        done = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=self.surroundings(), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def serve(self) -> None:
        """Starts the service."""
        self._start("service", "run", self.target)

    def show(self, *options: str, port: int = 0) -> None:
        """Starts the dashboard; ``entry`` is the link that lets in once."""
        target = [self.target] if self.target else []
        shown = self._start("dashboard", "ui", *target, "--no-open", "--port", str(port), *options)
        assert shown.stdout
        self.entry = shown.stdout.readline().strip()
        assert self.entry, "the dashboard has ended"
        self.origin = self.entry[: self.entry.index("/", 8) + 1]
        # What is said later is nobody's concern, but must not fill the pipe.
        self._listener = threading.Thread(target=shown.stdout.read, daemon=True)
        self._listener.start()

    @property
    def port(self) -> int:
        """Where the dashboard listens."""
        return int(self.origin.rstrip("/").rsplit(":", 1)[1])

    def end(self, name: str) -> None:
        """Ends one of the processes, and waits for it."""
        process = self.processes.pop(name)
        process.terminate()
        try:
            process.wait(PATIENCE_S * 2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            if self._listener:
                self._listener.join()
            process.stdout.close()

    def close(self) -> None:
        """Ends all of them."""
        for name in list(self.processes):
            self.end(name)

    def _start(self, name: str, *arguments: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE if name == "dashboard" else subprocess.DEVNULL
        command = [sys.executable, "-m", "windlass.cli", *arguments, "--db", self.url]
        log = (self.folder / f"{name}.log").open("a")
        process = subprocess.Popen(
            command, cwd=ROOT, env=self.surroundings(), stdout=pipe, stderr=log, text=True
        )
        log.close()
        self.processes[name] = process
        return process

    def surroundings(self) -> dict[str, str]:
        """The environment of its processes."""
        return {**os.environ, **self.environment}


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    """A stage whose processes end with the block."""
    stage = Stage(folder)
    try:
        yield stage
    finally:
        stage.close()


@contextmanager
def browsing() -> Iterator[Browser]:
    """The system's Chromium, without a window."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """One visitor: a browser's context with its cookies, that notes every complaint of a page."""

    def __init__(self, browser: Browser, stage: Stage, **options: Any) -> None:
        self.stage = stage
        self.context: BrowserContext = browser.new_context(**{"viewport": WIDE, **options})
        self.context.set_default_timeout(LOAD_MS)
        self.complaints: list[str] = []
        """What the pages told the console, and errors that nobody caught; a breach of the policy is one."""
        self.foreign: list[str] = []

    def enter(self, link: str | None = None) -> Page:
        """The overview, signed in with the one-time code of the link that the dashboard told, or another."""
        page = self.tab()
        page.goto(link or self.stage.entry)
        page.locator("main h1").wait_for()
        return page

    def open(self, address: str) -> Page:
        """One more tab, with the page at that address of the dashboard and its data."""
        page = self.tab()
        page.goto(self.stage.origin + address)
        settled(page)
        return page

    def tab(self) -> Page:
        """One more tab of this visitor."""
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._hear)
        page.on("request", self._see)
        return page

    def _hear(self, message: Any) -> None:
        # A server that is away is told by the browser itself, and is what some tests are about.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def _see(self, request: Any) -> None:
        if not request.url.startswith((self.stage.origin, "data:")):
            self.foreign.append(request.url)

    def close(self) -> None:
        """Leaves; the stage stays."""
        with suppress(Exception):  # the browser may be gone already
            self.context.close()


def settled(page: Page) -> None:
    """Waits until a page shows its data, and nothing of it is on its way."""
    page.locator("main h1").wait_for()
    # Looked at from here: the pages' policy lets nobody evaluate texts in them.
    until(
        lambda: page.evaluate("!document.querySelector('.skeleton, .is-stale')"), patience_s=LOAD_MS / 1_000
    )
    page.evaluate("document.fonts.ready")
