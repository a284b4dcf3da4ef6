"""What a browser has to fetch, what a program need not, and what the front end's locks say."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
ASSETS = ROOT / "src" / "windlass" / "web" / "assets"
MOST_KB = 80
UNASKED = (
    "starlette",
    "uvicorn",
    "anyio",
    "textual",
    "rich",
    "prometheus_client",
    "opentelemetry",
    "psycopg",
)
_PROGRAM = f"""
import sys, windlass
app = windlass.Windlass("app.db")
app.enqueue("work")
loaded = {{name.partition(".")[0] for name in sys.modules}}
print(sorted(loaded & set({UNASKED})), "windlass.web" in sys.modules)
"""


def test_the_whole_front_end_weighs_at_most_80_kb_gzipped() -> None:
    weights = {path.name: len(gzip.compress(path.read_bytes(), 9)) for path in ASSETS.iterdir()}
    assert weights.keys() == {"app.css", "app.js", "icon.svg", "index.html", "theme.js"}
    assert sum(weights.values()) <= MOST_KB * 1_000, weights


def test_the_page_names_no_address_and_holds_neither_style_nor_script() -> None:
    page = (ASSETS / "index.html").read_text(encoding="utf-8")
    assert "//" not in page.replace("<!doctype", "")
    assert "style=" not in page
    assert "></script>" in page
    assert page.count("<script") == page.count("<script src=")


def test_the_lock_of_the_front_end_has_a_hash_for_every_package_and_says_not_where_it_is_from() -> None:
    lock = json.loads((ROOT / "frontend" / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: facts for name, facts in lock["packages"].items() if name}
    assert [name for name, facts in packages.items() if "integrity" not in facts] == []
    assert [name for name, facts in packages.items() if "resolved" in facts] == []


def test_the_packages_of_the_front_end_are_asked_for_by_exact_versions() -> None:
    package = json.loads((ROOT / "frontend" / "package.json").read_text(encoding="utf-8"))
    wanted = package["dependencies"] | package["devDependencies"]
    assert [version for version in wanted.values() if not version[0].isdigit()] == []


def test_a_program_that_shows_no_page_loads_nothing_of_one(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("[] False\n", "")
