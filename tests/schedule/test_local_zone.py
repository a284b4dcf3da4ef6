"""The name of the machine's zone."""

from __future__ import annotations

from pathlib import Path

import pytest

from windlass import platform
from windlass.errors import ConfigError


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("Europe/Zurich", "Europe/Zurich"),
        (":Europe/Zurich", "Europe/Zurich"),
        ("/usr/share/zoneinfo/Europe/Zurich", "Europe/Zurich"),
        (":/usr/share/zoneinfo/right/Asia/Tokyo", "Asia/Tokyo"),
        ("", "UTC"),
    ],
)
def test_tz_names_it(value: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", value)
    assert platform.local_zone() == name


def zone_in(etc: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("TZ", raising=False)
    return platform.local_zone(str(etc))


def test_it_is_where_the_link_leads_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "localtime").symlink_to("../var/db/timezone/zoneinfo/America/Argentina/Ushuaia")
    (tmp_path / "timezone").write_text("Asia/Tokyo\n")
    assert zone_in(tmp_path, monkeypatch) == "America/Argentina/Ushuaia"


def test_where_the_zone_is_a_copy_debian_writes_its_name_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "localtime").write_bytes(b"TZif")
    (tmp_path / "timezone").write_text("Asia/Tokyo\n")
    assert zone_in(tmp_path, monkeypatch) == "Asia/Tokyo"


def test_a_copy_without_a_name_is_an_error_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "localtime").write_bytes(b"TZif")
    with pytest.raises(ConfigError, match=r"does not tell the name of its time zone: .*set TZ="):
        zone_in(tmp_path, monkeypatch)


def test_a_machine_without_a_zone_lives_in_utc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert zone_in(tmp_path, monkeypatch) == "UTC"
