"""The process behind an isolate: how it is started, what connects us to it, and how it ends."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from windlass import platform
from windlass.worker.isolate import FLAG


class Process:
    """A child process in a process group of its own, with three sockets."""

    def __init__(self, target: str) -> None:
        self.jobs, jobs = socket.socketpair()
        self.tokens, tokens = socket.socketpair()
        self.control, control = socket.socketpair()
        # The reading end of the tokens stays open here, too: to take back what has not started.
        self.tokens_back = tokens
        for ours in (self.jobs, self.control, self.tokens):
            ours.setblocking(False)
        start = {
            "target": target, "parent": os.getpid(),
            "jobs": jobs.fileno(), "tokens": tokens.fileno(), "control": control.fileno(),
        }  # fmt: skip
        self._popen = subprocess.Popen(
            [*_command(), json.dumps(start)],
            pass_fds=(jobs.fileno(), tokens.fileno(), control.fileno()),
            stdin=subprocess.DEVNULL,
            process_group=0,
        )
        jobs.close()
        control.close()
        self.pid = self._popen.pid
        self._let_go = False
        self._pidfd = os.pidfd_open(self.pid) if hasattr(os, "pidfd_open") else -1

    def filenos(self) -> list[int]:
        """What becomes readable when there is news, its end included."""
        found = [self.jobs.fileno(), self.control.fileno()]
        return found if self._pidfd < 0 else [*found, self._pidfd]

    def let_go(self) -> None:
        """Nothing more will be sent: it ends when it has nothing left to do."""
        if not self._let_go:
            self._let_go = True
            self.jobs.shutdown(socket.SHUT_WR)
            self.tokens.shutdown(socket.SHUT_WR)

    @property
    def is_alive(self) -> bool:
        """False once it has ended."""
        return self._popen.poll() is None

    @property
    def exit_status(self) -> str:
        """How it ended, for people."""
        code = self._popen.returncode
        if code is None:
            return "is running"
        return f"was killed by signal {-code}" if code < 0 else f"exited with code {code}"

    def wait(self, patience_s: float) -> None:
        """Until it has ended, so long at most."""
        with suppress(subprocess.TimeoutExpired):  # it is killed, then
            self._popen.wait(max(patience_s, 0.0))

    def memory_mb(self) -> float:
        """Its resident memory, or 0 where the system does not say."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1])
        except (OSError, IndexError, ValueError):
            return 0.0
        return pages * os.sysconf("SC_PAGE_SIZE") / 1_048_576

    def kill(self) -> None:
        """Ends it and every process of its group, which are those that it has started."""
        platform.kill_group(self.pid)
        self._popen.wait()

    def close(self) -> None:
        """Closes our ends."""
        for one in (self.jobs, self.control, self.tokens, self.tokens_back):
            one.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1


def _command() -> list[str]:
    if getattr(sys, "frozen", False):
        # A frozen program is its own interpreter: freeze_support() in it takes over from here.
        return [sys.executable, FLAG]
    return [sys.executable, "-m", "windlass.worker.isolate"]
