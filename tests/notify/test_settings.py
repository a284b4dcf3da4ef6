"""What is set reaches the channels: from files, the environment, and packages that offer one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from windlass import Windlass
from windlass.config import as_env, load_settings
from windlass.errors import ConfigError


def test_names_are_parted_by_commas_in_the_environment_and_are_a_list_in_files(tmp_path: Path) -> None:
    settings = load_settings(env={"WINDLASS_NOTIFY": "desktop, pager"}, cwd=tmp_path)
    assert settings.notify == ("desktop", "pager")
    (tmp_path / "windlass.toml").write_text('[notify]\nquiet = "22:00-07:00"\nurgent = ["JobFailed"]\n')
    settings = load_settings(env={}, cwd=tmp_path)
    assert (settings.notify_quiet, settings.notify_urgent) == ("22:00-07:00", ("JobFailed",))


def test_a_flag_reaches_the_processes_of_the_service_by_the_environment(tmp_path: Path) -> None:
    env = as_env({"notify": ["desktop", "pager"], "title": "Field notes"})
    settings = load_settings(env=env, cwd=tmp_path)
    assert (settings.notify, settings.title) == (("desktop", "pager"), "Field notes")


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("notify", 7, "a list of names"),
        ("notify_most", 0, "a positive integer"),
        ("notify_webhook", "", "a text that is not empty"),
    ],
)
def test_what_cannot_be_right_is_named(name: str, value: object, why: str) -> None:
    with pytest.raises(ConfigError, match=f"expected {name} to be {why}"):
        load_settings({name: value}, env={}, cwd="/nowhere")


def test_a_package_offers_a_channel_by_an_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pager_channel.py").write_text(
        "class Pager:\n"
        "    name = 'pager'\n"
        "    def __init__(self, title): self.title = title\n"
        "    def show(self, status): ...\n"
        "    def tell(self, event): return self.title\n"
        "    def close(self): ...\n"
        "def make(settings): return Pager(settings.title)\n"
        "def wrong(settings): return 7\n"
    )
    info = tmp_path / "pager_channel-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pager-channel\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[windlass.notifiers]\npager = pager_channel:make\nwrong = pager_channel:wrong\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    app = Windlass(tmp_path / "app.db", notify=["pager"], title="Field notes")
    (pager,) = app.notifier.people
    assert (pager.name, getattr(pager, "title", None)) == ("pager", "Field notes")
    wrong = Windlass(tmp_path / "app.db", notify=["wrong"])
    with pytest.raises(
        ConfigError, match=r"a channel of the entry point 'wrong' of windlass.notifiers, got 7"
    ):
        list(wrong.notifier.channels)


def test_an_urgent_kind_that_there_is_not_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = Windlass(tmp_path / "app.db", notify_urgent=["JobFaild"])
    list(app.notifier.channels)
    assert "notify_urgent names JobFaild, which is no event here" in caplog.text
