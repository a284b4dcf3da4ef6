"""The fixtures, as a user's own test suite meets them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from windlass.app import Windlass
from windlass.testing import ManualClock, assert_enqueued, drain

SHOP = """
from windlass import Windlass
app = Windlass("never-opened.db")

@app.job
def send_receipt(email: str) -> str:
    return f"sent to {email}"
"""

SUITE = """
import pytest, shop
from windlass.testing import assert_enqueued, drain

@pytest.fixture
def app(windlass_app):
    return windlass_app(shop.app)

@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_has_a_database_of_its_own(app, turn):
    shop.send_receipt.enqueue(email="ann@example.org")
    assert_enqueued(app, "send_receipt", count=1)

def test_time_moves_when_the_test_moves_it(app, windlass_clock):
    shop.send_receipt.using(delay="1h").enqueue(email="ann@example.org")
    assert drain(app) == []
    windlass_clock.advance("1h")
    assert [job.result for job in drain(app)] == ["sent to ann@example.org"]
"""


def test_a_users_suite_gets_the_fixtures_by_installing_windlass(tmp_path: Path):
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "test_shop.py").write_text(SUITE)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_shop.py"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert run.returncode == 0, run.stdout + run.stderr
    assert "3 passed" in run.stdout
    assert not (tmp_path / "never-opened.db").exists()


def test_an_app_comes_back_from_elsewhere_as_it_was(tmp_path: Path):
    app = Windlass(tmp_path / "own.db")
    app.enqueue("first")
    clock = app.clock
    with app.elsewhere(tmp_path / "other.db", clock=ManualClock()):
        assert app.jobs.list() == []
        app.enqueue("second")

    assert app.clock is clock
    assert [job.key for job in app.jobs.list()] == ["first"]
    assert_enqueued(app, "first")
    assert drain(app) == []
