"""One browser, and one service with its dashboard, for all tests of this folder that disturb nobody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, StorageState, expect

from tests.browser.quay import Quay, haunt, load, moored, settle
from tests.web.stage import CHROMIUM, LOAD_MS, Visit, browsing
from windlass.web.assets import FOLDER, INDEX

# Not the session's: a loop of the driver runs in this thread, and tests elsewhere have loops of their own.
SCOPE = "package"


@pytest.fixture(scope=SCOPE)
def browser() -> Iterator[Browser]:
    """The system's Chromium."""
    if not Path(CHROMIUM).exists():
        pytest.fail(
            f"there is no {CHROMIUM}: python3 dev.py setup installs it, where there is apt-get, as root"
        )
    if not (FOLDER / INDEX).exists():
        pytest.fail("the dashboard's pages are not built: python3 dev.py setup builds them")
    expect.set_options(timeout=LOAD_MS)
    with browsing() as chromium:
        yield chromium


@pytest.fixture(scope=SCOPE)
def quay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quay]:
    """Work in every state, with its service and its dashboard."""
    with moored(tmp_path_factory.mktemp("quay")) as made:
        load(made)
        haunt(made)
        made.serve()
        made.show()
        settle(made)
        yield made


@pytest.fixture(scope=SCOPE)
def cookies(browser: Browser, quay: Quay) -> StorageState:
    """What a visitor has who came in by the link that the dashboard told."""
    visit = Visit(browser, quay)
    visit.enter()
    kept = visit.context.storage_state()
    visit.close()
    return kept


@pytest.fixture
def visit(browser: Browser, quay: Quay, cookies: StorageState) -> Iterator[Visit]:
    """A visitor who is signed in; who leaves without a complaint, and was sent nowhere else."""
    made = Visit(browser, quay, reduced_motion="reduce", storage_state=cookies)
    yield made
    made.close()
    assert made.complaints == []
    assert made.foreign == []
