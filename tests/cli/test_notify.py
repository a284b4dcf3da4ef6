"""``windlass notify``: every channel is tried, and what each did is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Command
from windlass import SyncFailed, Windlass
from windlass.notify.webhook import KEY

PROGRAM = """
from windlass import Windlass

class Pager:
    name = "pager"
    def show(self, status): ...
    def tell(self, event): return f"paged: {event}"
    def close(self): ...

class Broken(Pager):
    name = "broken"
    def tell(self, event): raise ConnectionError("nobody answers")

app = Windlass("app.db")
app.notify_by(Pager())
"""


def test_each_channel_says_what_it_did(cli: Command, home: Path, caplog: pytest.LogCaptureFixture) -> None:
    (home / "pages.py").write_text(PROGRAM)
    answer = cli("notify", "test", "--app", "pages.py", "--json")
    assert answer.code == 0, answer
    did = {one["channel"]: one["did"] for one in answer.data}
    assert did["log"] == "written to the log windlass.notify"
    assert did["pager"] == "paged: This is a test: notifications of this program arrive here."
    assert "This is a test" in caplog.text


def test_a_channel_that_fails_is_named_and_the_others_are_tried(cli: Command, home: Path) -> None:
    (home / "broken_pages.py").write_text(f"{PROGRAM}app.notify_by(Broken())\n")
    answer = cli("notify", "test", "--app", "broken_pages.py")
    assert answer.code == 1
    assert "failed: ConnectionError: nobody answers" in answer.out
    assert "paged: This is a test" in answer.out


def test_a_webhook_is_tried_by_a_job(cli: Command, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINDLASS_NOTIFY_WEBHOOK", "https://example.com/hook")
    answer = cli("notify", "test", "--db", "app.db")
    assert "job 1 posts it to example.com as soon as a service runs" in answer.out
    (job,) = Windlass(home / "app.db").jobs.list()
    assert (job.key, job.payload["channel"] if job.payload else None) == (KEY, "webhook")


def test_what_was_told_and_is_not_over_is_listed(cli: Command, home: Path) -> None:
    app = Windlass(home / "app.db")
    app.notifier.tell(SyncFailed("notes", 7, "no"), subject="dead:notes:7")
    answer = cli("notify", "list", "--db", "app.db", "--json")
    assert [(one["event"], one["subject"]) for one in answer.data] == [("SyncFailed", "dead:notes:7")]
    assert "dead:notes:7" in cli("notify", "list", "--db", "app.db").out
    app.close()
