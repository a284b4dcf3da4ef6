"""How long after a commit a page shows it: ``python3 dev.py live [CHANGES]``.

A real service, a real dashboard and a real browser; another process's commits are timed by the wall clock
from their end to the moment when the browser has them in its document, which it paints with its next
frame. Told apart: changes that come alone, and changes that come twenty a second.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.web.stage import Stage, Visit, browsing, settled, staged
from windlass import Windlass

GOAL_MS = 200
QUEUE = "roads"
_ALONE_S, _STREAM_S = (0.3, 0.5), (0.05, 0.05)

# Tells when the browser's own clock saw a row in a state for the first time. It asks nobody.
WATCH = """() => {
  window.loaded_once = true;
  const seen_at = {}, waiting = {};
  const look = () => {
    const at = performance.timeOrigin + performance.now();
    for (const row of document.querySelectorAll("main [data-row]")) {
      const { row: id } = row.dataset;
      for (const sight of [id, `${id} ${row.querySelector(".badge")?.textContent}`]) {
        seen_at[sight] ??= at;
        waiting[sight]?.(seen_at[sight]);
      }
    }
  };
  window.seen = (sight) => new Promise((tell) => { waiting[sight] = tell; look(); });
  const all = { childList: true, subtree: true, characterData: true };
  new MutationObserver(look).observe(document.querySelector("main"), all);
}"""
_ASK = """async (count) => {
  const took = [];
  for (let turn = 0; turn < count; turn += 1) {
    const begun = performance.now();
    await (await fetch(`api/jobs?queue=roads&limit=50&turn=${turn}`, { cache: "no-store" })).text();
    took.push(performance.now() - begun);
  }
  return took;
}"""


def seen_at_ms(page: Page, sight: str) -> float:
    """When a page that watches first showed it; waits until it does. A sight is ``7`` or ``7 cancelled``."""
    found: float = page.evaluate("(sight) => window.seen(sight)", sight)
    return found


def main(arguments: list[str]) -> int:
    changes = int(arguments[0]) if arguments else 200
    with tempfile.TemporaryDirectory() as there, staged(Path(there)) as stage, browsing() as browser:
        stage.fill()
        stage.serve()
        stage.show()
        visit = Visit(browser, stage)
        page = visit.enter()
        page.goto(f"{stage.origin}jobs?queue={QUEUE}")
        settled(page)
        expect(page.locator(".live:visible")).to_have_text("Live")
        page.evaluate(WATCH)
        for name, pause_s in (("one at a time", _ALONE_S), ("twenty a second", _STREAM_S)):
            for what, took in measure(stage, page, changes, pause_s).items():
                tell(f"{what}, {name}", took)
        tell("the list's request alone, for comparison", page.evaluate(_ASK, min(changes, 100)))
        visit.close()
    return 0


def measure(stage: Stage, page: Page, changes: int, pause_s: tuple[float, float]) -> dict[str, list[float]]:
    """Milliseconds from commit to page, of jobs that are enqueued, and of those that are cancelled."""
    app = Windlass(stage.database)
    app.queues.pause(QUEUE)
    committed: dict[str, dict[str, float]] = {"enqueue": {}, "cancel": {}}
    sights: dict[str, float] = {}
    for _ in range(changes):
        job = app.enqueue("load_ship", {"ship": "Emma"}, queue=QUEUE)
        committed["enqueue"][str(job.id)] = time.time() * 1000
        time.sleep(random.uniform(*pause_s))
        # Before it is cancelled, it has to have been seen: what nobody saw is no change of a page.
        sights[str(job.id)] = seen_at_ms(page, str(job.id))
        app.jobs.cancel([job.id])
        committed["cancel"][f"{job.id} cancelled"] = time.time() * 1000
        time.sleep(random.uniform(*pause_s))
        sights[f"{job.id} cancelled"] = seen_at_ms(page, f"{job.id} cancelled")
    app.close()
    return {what: [sights[sight] - at for sight, at in those.items()] for what, those in committed.items()}


def tell(what: str, took: list[float]) -> None:
    """Prints the figures."""
    p95 = statistics.quantiles(took, n=20)[-1]
    figures = f"p50 {statistics.median(took):.0f} ms, p95 {p95:.0f} ms, at most {max(took):.0f} ms"
    print(f"{what}: {figures} of {len(took)} (goal {GOAL_MS} ms: {'held' if p95 <= GOAL_MS else 'missed'})")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
