"""What waits lies on the disk: memory stays flat, however many jobs there are, and however large one is."""

from __future__ import annotations

from pathlib import Path

from tests.store.children import WITH_STORE, child, run

RSS = """
def rss():
    with open("/proc/self/statm") as statm: return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
"""

ENQUEUE = (
    WITH_STORE
    + """
job = NewJob(key="later", delay_us=3_600_000_000, payload='{"order_id":7,"email":"a@b.c"}')
store.migrate()
while count := hear():
    for _ in range(int(count) // 1000): store.insert([job] * 1000, durability="fast")
    say(count)
"""
)
UPKEEP = (
    RSS
    + WITH_STORE
    + """
from windlass.store.protocol import ClaimRequest
while hear():
    for _ in range(20):
        assert store.promote().promoted == 0
        request = ClaimRequest(1, 100, dict.fromkeys(store.lanes(), 100), lambda _: True)
        assert store.settle_and_claim([], request).claimed == []
        store.hold_odd(); store.prune(older_than_us=0, keep=10); store.reclaim(1)
        store.checkpoint(force=True)
    say(rss())
"""
)
"""What a dispatcher asks of the store while everything waits."""

LARGE = (
    RSS
    + """
from windlass.app import Windlass
from windlass.errors import InvalidPayload
app = Windlass(path)
@app.job
def send(text: str): ...
app.enqueue("any", {"text": "x"}); send.enqueue("x")
text = "y" * 100_000_000
before = rss()
for enqueue in (lambda: app.enqueue("any", {"text": text}), lambda: send.enqueue(text),
                lambda: app.enqueue("any", {"many": [text[:1000]] * 1_000_000})):
    try: enqueue()
    except InvalidPayload as error: say(str(error)[:60])
status = open("/proc/self/status").read()
peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024
say(peak - before); say(sum(app.jobs.counts().values()))
"""
)


def test_a_hundred_thousand_delayed_jobs_cost_no_memory(database_url: str) -> None:
    """Celery #9849: delayed jobs are held in memory (a tenth of a million here; the benchmark has all)."""
    with child(database_url, ENQUEUE) as producer, child(database_url, UPKEEP) as upkeep:
        producer.ask("1000")
        before = int(upkeep.ask())
        producer.ask("99000")
        after = int(upkeep.ask())
    assert after - before < 3_000_000, f"{(after - before) / 1e6:.1f} MB more"


def test_a_payload_of_a_hundred_megabytes_is_refused_without_a_copy_of_it(tmp_path: Path) -> None:
    """100 MB payload: refused, flat RSS."""
    *refusals, more, jobs = run(tmp_path / "app.db", LARGE)
    assert len(refusals) == 3
    assert all("larger than 1 MiB" in refusal for refusal in refusals)
    assert int(more) < 20_000_000, f"{int(more) / 1e6:.1f} MB more"
    assert jobs == "2"
