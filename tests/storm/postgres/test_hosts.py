"""The stage of the storm on PostgreSQL: three networks with links that can be cut, two servers, a pooler."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.service.waiting import until
from tests.storm.postgres.cluster import PLACES, POOLER, Cluster
from tests.storm.postgres.network import Network

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(240)]

ASK = """
import socket, sys, psycopg
with psycopg.connect(sys.argv[1], connect_timeout=2, tcp_user_timeout=2000) as connection:
    print(socket.gethostname(), connection.execute(sys.argv[2]).fetchone()[0])
"""
IS_STANDBY = "SELECT pg_is_in_recovery()"


@pytest.fixture
def network(tmp_path: Path) -> Generator[Network]:
    with Network.of((*PLACES, POOLER, "h1", "h2"), tmp_path) as network:
        yield network


def asked(network: Network, host: str, url: str, sql: str = "SELECT 1") -> str:
    """What a program on a host is told; nothing where it cannot ask."""
    done = subprocess.run([*network.enter(host), sys.executable, "-c", ASK, url, sql], capture_output=True)
    return done.stdout.decode().strip()


def test_a_host_reaches_the_database_until_its_link_is_cut(network: Network) -> None:
    with Cluster.of(network, "18") as cluster:
        for url in (cluster.url(), cluster.pooled_url()):
            assert asked(network, "h1", url) == "h1 1"
            network.cut("h1")
            assert asked(network, "h1", url) == ""
            assert asked(network, "h2", url) == "h2 1"
            network.heal("h1")
            until(lambda url=url: asked(network, "h1", url) == "h1 1")


def test_the_standby_takes_over_and_another_one_follows_it(network: Network) -> None:
    with Cluster.of(network, "18") as cluster:
        url, pooled = cluster.url(), cluster.pooled_url()
        first = cluster.primary
        cluster.primary.execute(
            "CREATE TABLE kept AS SELECT 7 AS id; GRANT ALL ON kept TO app", database="storm"
        )
        for turn in (1, 2):
            cluster.fail_over()
            assert asked(network, "h1", url, IS_STANDBY) == "h1 False"
            assert (
                asked(network, "h2", pooled, "UPDATE kept SET id = id + 1 RETURNING id") == f"h2 {7 + turn}"
            )
        assert cluster.primary.address == first.address
        assert cluster.primary is not first
