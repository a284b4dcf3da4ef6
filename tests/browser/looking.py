"""What is looked at on a page, whichever it is."""

from __future__ import annotations

from functools import cache
from typing import Any

from playwright.sync_api import Page

from tests.web.stage import ROOT

AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
_RUN = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  const bad = violations.filter(({ impact }) => impact !== "minor");
  return bad.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`));
}"""


@cache
def _axe() -> str:
    assert AXE.exists(), "axe-core is not there: python3 dev.py setup installs the packages of the front end"
    return AXE.read_text(encoding="utf-8")


def barriers(page: Page) -> list[str]:
    """What keeps people from using the page, as axe sees it: all but what is minor."""
    if not page.evaluate("'axe' in window"):
        # Not by a script of the page, which its policy would rightly refuse.
        page.evaluate(_axe())
    painted(page)
    found: list[str] = page.evaluate(_RUN)
    return found


def overflow(page: Page) -> int:
    """By how many pixels it is wider than the screen."""
    over: int = page.evaluate(OVERFLOW)
    return over


def painted(page: Page) -> None:
    """Waits until what was changed is on the screen."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def rows(page: Page) -> list[str]:
    """The jobs of the list that are on the screen, by their ids."""
    found: list[Any] = page.locator("main [data-row]").evaluate_all(
        "(all) => all.map((one) => one.dataset.row)"
    )
    return [str(one) for one in found]
