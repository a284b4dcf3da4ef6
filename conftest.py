"""What holds for every test.

Tests run in several processes. One marked ``alone`` measures time, or fills the machine, and would measure
its neighbours: it waits until the tests under way have ended, and holds back the next ones until it has.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

# The suites that tests share (tests/store/conformance, say) explain their failures as tests do.
pytest.register_assert_rewrite("tests")
pytest_plugins = ["tests.postgres.fixtures", "tests.store.postgres_schemas"]

# Record locks on two bytes of one file. They die with their process and, unlike flock, are not inherited
# by children that a test forks and leaves behind.
GATE, FLOOR = 0, 1
TESTS = Path(__file__).parent / "tests"

floor_file = pytest.StashKey[Path]()


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Doctests are looked for in src/; what helps the tests is imported by them, or run by another Python."""
    helps = collection_path.suffix == ".py" and not collection_path.name.startswith(("test_", "conftest"))
    return True if helps and TESTS in collection_path.parents else None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    if floor_file not in node.config.stash:
        handle, name = tempfile.mkstemp(prefix="windlass-tests-")
        os.close(handle)
        node.config.stash[floor_file] = Path(name)
    node.workerinput["floor_file"] = str(node.config.stash[floor_file])


def pytest_unconfigure(config: pytest.Config) -> None:
    if floor_file in config.stash:
        config.stash[floor_file].unlink()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    workerinput: dict[str, str] = getattr(item.config, "workerinput", {})
    if "floor_file" not in workerinput:  # one process: every test is alone
        return (yield)
    with floor(workerinput["floor_file"], alone="alone" in item.keywords):
        return (yield)


@contextmanager
def floor(path: str, *, alone: bool) -> Generator[None]:
    """Shares the floor with other tests, or has it alone; the gate keeps late-comers from overtaking."""
    handle = os.open(path, os.O_RDWR)
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX, 1, GATE)
        fcntl.lockf(handle, fcntl.LOCK_EX if alone else fcntl.LOCK_SH, 1, FLOOR)
        fcntl.lockf(handle, fcntl.LOCK_UN, 1, GATE)
        yield
    finally:
        os.close(handle)
