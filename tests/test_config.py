from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from windlass.config import _READERS, Settings, as_env, load_settings
from windlass.errors import ConfigError


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, encoding="utf-8")


def load(folder: Path, overrides: dict[str, Any] | None = None, **kwargs: Any) -> Settings:
    return load_settings(overrides, **({"env": {}, "cwd": folder} | kwargs))


def test_the_nearer_source_wins(tmp_path: Path) -> None:
    write(tmp_path, "pyproject.toml", "[tool.windlass]\nisolates = 2\nthreads = 2\ngrace = 2\npoll = 2\n")
    write(tmp_path, "windlass.toml", "isolates = 3\nthreads = 3\ngrace = 3\n")
    env = {"WINDLASS_ISOLATES": "4", "WINDLASS_THREADS": "4"}
    defaults = {"isolates": 1, "threads": 1, "grace": 1, "poll": 1, "cancel_grace": 1}
    settings = load(tmp_path, {"isolates": 5}, env=env, defaults=defaults)
    assert (settings.isolates, settings.threads) == (5, 4)
    assert (settings.grace, settings.poll, settings.cancel_grace) == (3.0, 2.0, 1.0)


def test_without_any_source_the_defaults_hold(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings == Settings(isolates=settings.isolates)
    assert 1 <= settings.isolates <= 4
    assert settings.retention_us == 7 * 86_400_000_000


def test_spans_are_read_from_text_and_numbers_alike(tmp_path: Path) -> None:
    write(tmp_path, "windlass.toml", 'grace = "1m 30s"\nretention = "2d"\npoll = 0.25\n')
    settings = load(tmp_path, env={"WINDLASS_CANCEL_GRACE": "2.5"})
    assert (settings.grace, settings.retention, settings.poll) == (90.0, 172_800.0, 0.25)
    assert settings.cancel_grace == 2.5


def test_a_setting_may_be_written_as_a_table(tmp_path: Path) -> None:
    write(tmp_path, "windlass.toml", "[service]\nenabled = false\n[recycle]\nafter_jobs = 100\n")
    settings = load(tmp_path)
    assert settings.service_enabled is False
    assert settings.recycle_after_jobs == 100


@pytest.mark.parametrize("name", ["service.enabled", "service_enabled", "service-enabled"])
def test_an_override_may_be_spelled_with_dots_or_dashes(tmp_path: Path, name: str) -> None:
    assert load(tmp_path, {name: False}).service_enabled is False


def test_an_override_of_none_is_not_given(tmp_path: Path) -> None:
    assert load(tmp_path, {"threads": None, "app": None}, env={"WINDLASS_THREADS": "7"}).threads == 7


def test_zero_switches_recycling_off(tmp_path: Path) -> None:
    assert load(tmp_path, {"recycle_memory_mb": 0, "recycle_after_jobs": "0"}).recycle_memory_mb is None


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"isolates": 0}, "expected isolates to be a positive integer, got 0 from the command line or call"),
        ({"isolates": True}, "positive integer, got True"),
        ({"grace": "soon"}, 'expected grace to be a duration such as "10m" or a number of seconds, got'),
        ({"grace": float("nan")}, "got nan"),
        ({"poll": 0}, "at least 0.01 s"),
        ({"durability": "some"}, "one of full, fast"),
        ({"log_level": 3}, "one of debug, info, warning, error"),
        ({"service_enabled": "perhaps"}, "true or false"),
        ({"database": ""}, "a text that is not empty"),
        ({"reload_dirs": 3}, "a list of folders"),
        ({"isolate": 3}, "unknown setting 'isolate' in the command line or call; did you mean 'isolates'?"),
        ({"colour": 3}, "the settings are app, async_concurrency"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value_and_source(
    tmp_path: Path, overrides: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, overrides)
    assert message in str(caught.value)


def test_the_source_of_a_wrong_setting_is_named(tmp_path: Path) -> None:
    write(tmp_path, "windlass.toml", "threads = 'many'\n")
    with pytest.raises(ConfigError, match=r"got 'many' from windlass\.toml"):
        load(tmp_path)
    with pytest.raises(ConfigError, match="got 'few' from the environment variable WINDLASS_THREADS"):
        load(tmp_path, env={"WINDLASS_THREADS": "few"})


def test_a_misspelt_variable_is_an_error_and_a_foreign_one_is_not(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="WINDLASS_ISOLATE; did you mean WINDLASS_ISOLATES"):
        load(tmp_path, env={"WINDLASS_ISOLATE": "2"})
    orchestrated = {"WINDLASS_PORT": "tcp://10.0.0.1:80", "WINDLASS_SERVICE_HOST": "10.0.0.1"}
    assert load(tmp_path, env=orchestrated) == load(tmp_path)


def test_broken_toml_is_named(tmp_path: Path) -> None:
    write(tmp_path, "windlass.toml", "isolates = \n")
    with pytest.raises(ConfigError, match=r"windlass\.toml is not valid TOML"):
        load(tmp_path)


def test_a_pyproject_that_does_not_mention_us_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, "pyproject.toml", "this is [not toml")
    assert load(tmp_path) == load(tmp_path / "nowhere")


def test_overrides_survive_the_way_through_the_environment(tmp_path: Path) -> None:
    overrides = {"isolates": 3, "grace": "10s", "service_enabled": False, "reload_dirs": ["a", "b"]}
    assert load(tmp_path, env=as_env(overrides)) == load(tmp_path, overrides)


def test_every_setting_has_a_reader() -> None:
    assert {field.name for field in msgspec.structs.fields(Settings)} == set(_READERS)
