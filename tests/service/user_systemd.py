"""A real systemd of one user, whose world is a temporary folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Self

from tests.service.waiting import PATIENCE_S, until

# It only runs where /run says that systemd is there; nothing of the machine's own /run is touched.
_BEGIN = "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system && exec /lib/systemd/systemd --user"


class UserSystemd:
    """Started by ``with``; ``ctl`` asks it, ``windlass`` runs a command that finds it."""

    def __init__(self) -> None:
        # Not pytest's folder: a socket's path may be no longer than a hundred bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="windlass-sd-", dir="/tmp"))
        for name in ("run", "home", "config"):
            (self.folder / name).mkdir(mode=0o700)
        own = {name: value for name, value in os.environ.items() if not name.startswith("WINDLASS_")}
        self.env = own | {
            "XDG_RUNTIME_DIR": str(self.folder / "run"),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "HOME": str(self.folder / "home"),
            "NO_COLOR": "1",
        }
        self.env.pop("DBUS_SESSION_BUS_ADDRESS", None)
        self.units = self.folder / "config/systemd/user"

    def __enter__(self) -> Self:
        root = os.geteuid() == 0
        command = ["unshare", "--mount", *([] if root else ["--user", "--map-root-user"]), "sh", "-c", _BEGIN]
        if not root and Path("/run/systemd/system").is_dir():
            # Under a systemd that is in charge, only a scope of one's own may be divided further.
            command = ["systemd-run", "--user", "--scope", "--quiet", "--property=Delegate=yes", *command]
        self.log = (self.folder / "log").open("wb")
        self.process = subprocess.Popen(
            command,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )
        try:
            until(self._is_up)
        except AssertionError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE_S)
        self.log.close()
        shutil.rmtree(self.folder)

    def _is_up(self) -> bool:
        said = (self.folder / "log").read_text(errors="replace")
        assert self.process.poll() is None, f"systemd --user ended: {said}"
        return self.get("default.target", "ActiveState") == "active"

    def ctl(self, *words: str) -> subprocess.CompletedProcess[str]:
        """``systemctl --user``, answered by this one."""
        return subprocess.run(
            ["systemctl", "--user", *words],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S * 3,
        )

    def get(self, unit: str, name: str) -> str:
        """One property of a unit."""
        return self.ctl("show", unit, f"--property={name}", "--value").stdout.strip()

    def windlass(self, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """A command line, by a person whose systemd this is."""
        return subprocess.run(
            [sys.executable, "-m", "windlass.cli", *words],
            env=self.env,
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S * 3,
        )

    def status(self, name: str, cwd: Path) -> Any:
        """What ``windlass service status`` says."""
        done = self.windlass("service", "status", "--name", name, "--json", cwd=cwd)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
