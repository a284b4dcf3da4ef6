"""What a URL names, and that nobody is told a password of one that is wrong."""

from __future__ import annotations

import traceback

import pytest

from windlass.errors import ConfigError
from windlass.store import open_store
from windlass.store.place import place_of
from windlass.store.postgres.connections import Connections
from windlass.store.postgres.location import locate

CANARY = "CANARY"


def refused(url: str) -> str:
    """The whole traceback of who opens a store there."""
    with pytest.raises(ConfigError) as raised:
        open_store(url)
    return "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    "password",
    [
        "CANARY%zz", "CANARY%", "%4xCANARY", "CANARY%00", "CANARY@x", "x@CANARY", "@CANARY", "CANARY/x",
        "x/CANARY", "1/CANARY", "CANARY#x", "x#CANARY", "CANARY?x", "x?CANARY", "1?CANARY=1", "x@CANARY/y#z",
        "x@y?CANARY=z", "CANARY x", "CANARY\udc80",
    ],
)  # fmt: skip
@pytest.mark.parametrize("where", ["127.0.0.1:5/a", "[::1]/a?sslmode=disable", "", "/a"])
def test_a_password_that_cannot_be_read_is_not_shown(password: str, where: str) -> None:
    told = refused(f"postgresql://app:{password}@{where}")
    assert CANARY not in told
    assert "%40" in told
    assert "~/.pgpass" in told


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app:CANARY", "postgresql://app:CANARY/a", "postgresql://h:1,app:CANARY",
        "postgresql://h/a?password=x&CANARY=y", "postgresql://h/a?password=x@CANARY",
        "postgresql://h/a?password=x#CANARY", "postgresqll://app:CANARY@h/a", "postgres://app:x@h@CANARY/a",
        "mysql://app:CANARY@h/a",
    ],
)  # fmt: skip
def test_what_may_be_a_password_is_not_shown(url: str) -> None:
    assert CANARY not in refused(url)


@pytest.mark.parametrize("url", ["postgresql://[::1/a", "postgresql://::1/a", "postgresql://[::1]x/a"])
def test_a_host_that_is_none_is_refused(url: str) -> None:
    assert "expected the URL of a database" in refused(url)


def test_a_url_that_names_nothing_is_refused() -> None:
    assert "got 'postgresql://'" in refused("postgresql://")


def test_a_setting_that_libpq_has_not_is_named() -> None:
    assert "got nosuch" in refused("postgresql://app:CANARY@h/a?nosuch=1&sslmode=disable")


@pytest.mark.parametrize(
    ("url", "shown", "settings"),
    [
        ("postgresql:///a", "postgresql:///a", {"dbname": "a"}),
        ("postgresql:///a?host=/run/pg", "postgresql:///a?host=/run/pg", {"dbname": "a", "host": "/run/pg"}),
        ("postgresql://?service=x", "postgresql:///?service=x", {"service": "x"}),
        ("postgres://u:p[%40%2F:€@h", "postgresql://u@h/", {"user": "u", "password": "p[@/:€", "host": "h"}),
        ("postgresql+psycopg://[::1]:5/\n", "postgresql://[::1]:5/", {"host": "::1", "port": "5"}),
        ("postgresql://h?user=b%40c", "postgresql://h/?user=b%40c", {"host": "h", "user": "b@c"}),
    ],
)  # fmt: skip
def test_a_url_is_read_as_libpq_reads_it(url: str, shown: str, settings: dict[str, str]) -> None:
    location = locate(url)
    connections = Connections(location, lambda _: None, lock_timeout_ms=1)
    assert connections._places.conninfo == settings
    assert location.name == place_of(url).shown == shown
