"""No statement steps over what it does not want: each finds its rows by an index made for it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from windlass.job import JobStatus
from windlass.store.protocol import JobFilter, NewJob
from windlass.store.relational import managing
from windlass.store.relational.statements import SQL
from windlass.store.sqlite.store import SqliteStore

BY_ID = "background_service_jobs USING INTEGER PRIMARY KEY"
READY, DUE_WALL, DUE_BOOT = "windlass_jobs_ready", "windlass_jobs_due_wall", "windlass_jobs_due_boot"
CONDITIONED = "windlass_jobs_conditioned"
HELD, RUNNING, FINISHED = "windlass_jobs_held", "windlass_jobs_running", "windlass_jobs_finished"
BOND_OF_PARENT = "bond USING PRIMARY KEY (parent=?)"
BOND_OF_CHILD = "bond USING COVERING INDEX windlass_dependencies_by_child (child=?)"
BY_PARENT_ID, BY_CHILD_ID = ("parent USING INTEGER PRIMARY KEY", "child USING INTEGER PRIMARY KEY")
WHOLE_INDEX_IS_WANTED = {"counts", "leases", "queues", "queues_at_least", "running", "odd"}
"""These count, or list what should not be there: the index holds nothing else."""

DEADLINE = "windlass_jobs_deadline"
LINE = "windlass_jobs_unique_next (unique_next=?)"

LANE_SEEKS = ("(alone=? AND queue=? AND job_key>?)", "(alone=? AND queue>?)", "(alone>?)")
ONE_LANE = "(alone=? AND queue=? AND job_key=? AND constraints=?)"
CONDITIONED_SEEKS = ("(alone=? AND queue=? AND job_key=? AND constraints>?)", *LANE_SEEKS)

USES: dict[str, list[str]] = {
    "activity": [
        "windlass_activity_spans USING PRIMARY KEY (minutes=? AND minute>? AND minute<?)",
        "windlass_activity USING PRIMARY KEY (minute>? AND minute<?)",
    ],
    "activity_row": ["windlass_activity USING PRIMARY KEY (minute=? AND owner=? AND queue=? AND job_key=?)"],
    "activity_span": [
        "windlass_activity_spans USING PRIMARY KEY (minutes=? AND minute=? AND queue=? AND job_key=?)"
    ],
    "activity_total": ["windlass_activity_totals USING PRIMARY KEY (queue=? AND job_key=?)"],
    "all_activity": ["SCAN windlass_activity"],
    "add_log": [BY_ID],
    "attempts": ["windlass_attempts_by_job"],
    "audit": [],
    "audits": ["windlass_audit USING INTEGER PRIMARY KEY"],
    "cancel_pending": [BY_ID],
    "cancel_running": [BY_ID],
    "cancellations": [RUNNING],
    "claim": [BY_ID],
    "close_notice": ["windlass_notifications USING PRIMARY KEY (subject=?)"],
    "claim_conditioned_lane": [f"{CONDITIONED} {ONE_LANE}"],
    "claim_lane": [f"{READY} (alone=? AND queue=? AND job_key=?)"],
    "count_activity_span": ["windlass_activity_spans USING PRIMARY KEY (minutes=? AND minute=?)"],
    "count_activity_totals": [],
    "count_conditioned_lane": [f"{CONDITIONED} {ONE_LANE}"],
    "count_conditioned_queue": ["windlass_jobs_conditioned (alone=? AND queue=?)"],
    "count_ready_queue": [f"{READY} (alone=? AND queue=?)"],
    "next_conditioned_queue": ["windlass_jobs_conditioned (alone=? AND queue>?)"],
    "next_ready_queue": [f"{READY} (alone=? AND queue>?)"],
    "queues_at_least": [DUE_WALL, DUE_BOOT, "windlass_jobs_held", RUNNING],
    "count_lane": [f"{READY} (alone=? AND queue=? AND job_key=?)"],
    "counts": [READY, CONDITIONED, DUE_WALL, DUE_BOOT, HELD, RUNNING, FINISHED],
    "date_finished": [BY_ID],
    "debounce_unique": [BY_ID],
    "delete_attempts": ["windlass_attempts_by_job"],
    "delete_logs": ["windlass_logs_by_run (job_id=?)"],
    "delete_jobs": [BY_ID, BOND_OF_PARENT, BY_CHILD_ID],
    "devices": [],
    "dispatchers": [],
    "drop_limit": ["windlass_limits USING PRIMARY KEY (kind=? AND name=?)"],
    "drop_schedule": ["windlass_schedules USING PRIMARY KEY (name=?)"],
    "due_schedules": [
        "windlass_schedules_due (boot_id=? AND next_at_boot<?)",
        "windlass_jobs_unique (unique_key=?)",
    ],
    "due_wall_schedules": [
        "windlass_schedules_due_wall (next_at>? AND next_at<?)",
        "windlass_jobs_unique (unique_key=?)",
    ],
    "end_drain": ["windlass_hosts USING PRIMARY KEY (host=?)"],
    "expire": [BY_ID],
    "expired": [f"{DEADLINE} (deadline>? AND deadline<?)"],
    "failures": [f"{FINISHED} (status=?)"],
    "find_notice": ["windlass_notifications USING PRIMARY KEY (subject=?)"],
    "find_unique": ["windlass_jobs_unique (unique_key=?)"],
    "find_idempotent": ["windlass_jobs_idempotency (job_key=? AND idempotency_key=?)"],
    "first_conditioned_lane": [f"{CONDITIONED} {seek}" for seek in CONDITIONED_SEEKS],
    "first_lane": [f"{READY} {seek}" for seek in LANE_SEEKS],
    "flow_any": ["windlass_dependencies"],
    "flow_await_again": [BY_ID, BOND_OF_PARENT],
    "flow_bereft": [BY_PARENT_ID, BOND_OF_PARENT],
    "flow_bind": [],
    "flow_children": [BOND_OF_PARENT, BY_CHILD_ID],
    "flow_children_of": [BOND_OF_PARENT],
    "flow_heirs": [BOND_OF_PARENT, BY_PARENT_ID, BY_CHILD_ID],
    "flow_moved_by_others": [BOND_OF_CHILD, BY_PARENT_ID, BY_CHILD_ID],
    "flow_parents": [BOND_OF_CHILD, BY_PARENT_ID],
    "flow_recount": [BY_ID, BOND_OF_CHILD, BY_PARENT_ID],
    "flow_release": [BY_ID, BOND_OF_PARENT],
    "flow_results": [BOND_OF_CHILD, BY_PARENT_ID],
    "flow_reword": [BY_ID, BOND_OF_CHILD, BY_PARENT_ID],
    "flow_stand": [BY_ID],
    "flow_tally": [BY_ID],
    "flow_unbind": ["windlass_dependencies_by_child (child=?)"],
    "forget_activity": [
        "windlass_activity USING PRIMARY KEY (minute=? AND owner=? AND queue=? AND job_key=?)"
    ],
    "forget_activity_spans": [
        "windlass_activity_spans USING PRIMARY KEY (minutes=? AND minute<?)",
        "windlass_activity_spans USING PRIMARY KEY (minutes=?)",
    ],
    "forget_attempts": ["windlass_attempts_by_job"],
    "forget_audits": ["windlass_audit USING INTEGER PRIMARY KEY"],
    "forget_device": ["windlass_devices USING INTEGER PRIMARY KEY"],
    "forget_boots": [BY_ID, f"{DUE_BOOT} (boot_id>? AND boot_id<?)", f"{DUE_BOOT} (boot_id>?)"],
    "hold": [BY_ID],
    "hold_lane": [BY_ID, f"{CONDITIONED} {ONE_LANE}"],
    "hold_odd": [BY_ID],
    "insert": [],
    "insert_schedule": [],
    "insert_more": [],
    "insert_unique": [LINE],
    "last_runs": ["windlass_jobs_runs (unique_key=?)"],
    "leases": [RUNNING],
    "lift_concurrency": ["windlass_queues USING PRIMARY KEY (queue=?)"],
    "forget_hosts": [],
    "hosts": [],
    "limit": ["windlass_limits USING PRIMARY KEY (kind=? AND name=?)"],
    "limits": ["SCAN windlass_limits", "windlass_limits USING PRIMARY KEY (kind=?)"],
    "line_any": ["windlass_jobs_unique_next"],
    "line_cancel": [BY_ID, LINE],
    "line_ended": [BY_ID],
    "line_first": [LINE],
    "line_hold": [BY_ID, "windlass_jobs_unique_next (unique_next=? AND id>?)"],
    "line_last": [LINE],
    "line_next": [LINE],
    "line_take": [BY_ID],
    "logs": ["windlass_logs_by_run (job_id=? AND attempt>? AND attempt<?)"],
    "more_logs": ["windlass_logs_by_run (job_id=?)"],
    "longest_conditioned": [f"{CONDITIONED} {ONE_LANE[:-1]} AND <expr><?)"],
    "longest_ready": [f"{READY} (alone=? AND queue=? AND job_key=? AND <expr><?)"],
    "misplaced_schedules": [],
    "move_slot": ["windlass_limits USING PRIMARY KEY (kind=? AND name=?)"],
    "next_deadline": [DEADLINE],
    "next_due_boot": [f"{DUE_BOOT} (boot_id=?)"],
    "next_due_wall": [DUE_WALL],
    "next_schedules": ["windlass_schedules_due (boot_id=? AND next_at_boot>?)"],
    "next_wall_schedules": ["windlass_schedules_due_wall (next_at>?)"],
    "note_progress": [BY_ID],
    "notices": [],
    "odd": ["windlass_jobs_odd"],
    "oldest_in_lane": [BY_ID, f"{CONDITIONED} {ONE_LANE}"],
    "old_activity": ["windlass_activity USING PRIMARY KEY (minute<?)"],
    "open_notice": [],
    "other_boots": [f"{DUE_BOOT} (boot_id>? AND boot_id<?)", f"{DUE_BOOT} (boot_id>?)"],
    "promote_boot": [BY_ID, f"{DUE_BOOT} (boot_id=? AND run_at_boot<?)"],
    "promote_wall": [BY_ID, f"{DUE_WALL} (run_at>? AND run_at<?)"],
    "prune_cutoff": [f"{FINISHED} (status=?)"],
    "publish_device": [],
    "prune_doomed": [f"{FINISHED} (status=? AND finished_at<?)", BOND_OF_PARENT, BY_CHILD_ID],
    "put_activity": [],
    "put_activity_span": [],
    "put_activity_total": [],
    "put_limit": [],
    "queues": [READY, DUE_WALL, DUE_BOOT, HELD, RUNNING],
    "reclaim": [BY_ID],
    "reclaim_select": [f"{RUNNING} (lease_owner=?)"],
    "record_attempt": [],
    "register": [],
    "replace_holder": [BY_ID],
    "retell_schedule": ["windlass_schedules USING PRIMARY KEY (name=?)"],
    "retry": [BY_ID, "windlass_jobs_unique (unique_key=?)"],
    "rewrite_created_at": [BY_ID],
    "orphans": [RUNNING],
    "running": [RUNNING],
    "standing": ["windlass_hosts USING PRIMARY KEY (host=?)"],
    "seen_keys": [
        "SCAN background_service_jobs",
        "windlass_activity_spans USING PRIMARY KEY (minutes=?)",
        "SCAN windlass_dispatchers",
    ],
    "seen_queues": [
        "SCAN background_service_jobs",
        "windlass_activity_spans USING PRIMARY KEY (minutes=?)",
        "SCAN windlass_queues",
    ],
    "seen_tags": ["SCAN background_service_jobs"],
    "schedule": ["windlass_schedules USING PRIMARY KEY (name=?)"],
    "schedules": [],
    "set_host": [],
    "set_pin": [],
    "set_queue": [],
    "settle_completed": [BY_ID],
    "settle_completed_alike": [BY_ID],
    "settle_ended": [BY_ID],
    "settle_owned": [BY_ID],
    "settle_waiting": [BY_ID],
    "strange_schedules": ["windlass_schedules_due (boot_id<?)", "windlass_schedules_due (boot_id>?)"],
    "trim_logs": ["windlass_logs_by_run (job_id=?)"],
    "unregister": ["windlass_dispatchers USING INTEGER PRIMARY KEY", f"{RUNNING} (lease_owner=?)"],
    "update_schedule": ["windlass_schedules USING PRIMARY KEY (name=?)"],
    "update_unique": [BY_ID],
}
"""Every statement, and the indexes by which it finds its rows."""

NO_TABLE = re.compile(
    r"json_each|VIRTUAL TABLE|SCAN (gone|again|part)$|SUBQUERY|CONSTANT ROW|\(subquery"
    r"|windlass_(devices|dispatchers|hosts|limits|queues|notifications|schedules|activity|activity_totals)\b"
)
"""What may be walked: what the statement was given or has made, and tables of a thousand rows at most."""

OFTEN = [
    *("claim_conditioned_lane", "first_conditioned_lane"),
    *("claim_lane", "first_lane", "next_due_wall", "next_due_boot", "promote_wall", "promote_boot"),
    *("activity", "old_activity", "failures", "longest_ready", "longest_conditioned"),
    *("prune_cutoff", "prune_doomed", "reclaim_select"),
    *("line_any", "line_first", "line_last", "line_next", "next_deadline", "expired"),
]


@pytest.fixture
def connection(store: SqliteStore, path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path)) as connection:
        yield connection


def plan(connection: sqlite3.Connection, statement: str) -> list[str]:
    named = dict.fromkeys(re.findall(r"(?<!:):([a-z_]+)", statement), 1)
    numbered = [int(number) for number in re.findall(r"\?(\d+)", statement)]
    values = named or [1] * (max(numbered) if numbered else statement.count("?"))
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]


def test_every_statement_is_listed_here() -> None:
    assert sorted(USES) == sorted(SQL)


@pytest.mark.parametrize("name", sorted(USES))
def test_a_statement_finds_its_rows_by_its_index(connection: sqlite3.Connection, name: str) -> None:
    steps = plan(connection, SQL[name])
    for wanted in USES[name]:
        assert any(wanted in step for step in steps), (wanted, steps)
    if name.startswith("seen_"):
        # Of the newest ones, the first that the table's own order gives.
        assert "ORDER BY id DESC LIMIT" in SQL[name]
        return
    for step in steps:
        scans = step.startswith("SCAN") and not NO_TABLE.search(step)
        walks_an_index = "USING" in step and (
            name in WHOLE_INDEX_IS_WANTED or name in ("flow_any", "next_due_wall")
        )
        assert not scans or walks_an_index, steps


@pytest.mark.parametrize("name", OFTEN)
def test_what_runs_often_sorts_nothing(connection: sqlite3.Connection, name: str) -> None:
    """An index in the right order is read up to the limit, however much lies behind it."""
    assert not [step for step in plan(connection, SQL[name]) if "TEMP B-TREE" in step]


@pytest.mark.parametrize("blocked", [1, 10_000])
def test_ten_thousand_blocked_jobs_cost_no_step_more_than_one(
    store: SqliteStore, connection: sqlite3.Connection, blocked: int
) -> None:
    text = '{"charging":true}'
    store.insert([NewJob(key="work", priority=9, constraints=text)] * blocked, durability="fast")
    store.insert([NewJob(key="work")] * 10)
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    connection.set_progress_handler(count, 1)
    for name, values in (
        ("first_lane", (-1, "", "")),
        ("first_lane", (0, "default", "work")),
        ("first_conditioned_lane", (-1, "", "", "")),
        ("first_conditioned_lane", (0, "default", "work", text)),
        ("claim_lane", (0, "default", "work", 5)),
        ("claim_conditioned_lane", (0, "default", "work", text, None, 1)),
    ):
        connection.execute(SQL[name], values).fetchall()
    connection.set_progress_handler(None, 1)
    assert steps < 1000


@pytest.mark.parametrize(
    ("where", "index"),
    [
        (JobFilter(status=(JobStatus.RUNNING,)), RUNNING),
        (JobFilter(status=(JobStatus.FAILED,)), f"COVERING INDEX {FINISHED}"),
        (JobFilter(status=(JobStatus.COMPLETED, JobStatus.CANCELLED)), f"COVERING INDEX {FINISHED}"),
        (JobFilter(held=True), HELD),
        (JobFilter(ids=(1, 2)), BY_ID),
        (JobFilter(unique="u", status=(JobStatus.PENDING, JobStatus.RUNNING)), "windlass_jobs_unique"),
    ],
    ids=str,
)
def test_a_listing_finds_its_ids_by_an_index(
    connection: sqlite3.Connection, where: JobFilter, index: str
) -> None:
    source, conditions, values = managing._source(where)
    statement = f"SELECT id FROM {source} WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT 50"
    steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert any(index in step for step in steps), steps


@pytest.mark.parametrize(
    ("where", "order", "wanted", "sorts"),
    [
        (JobFilter(), "-id", ["USING INTEGER PRIMARY KEY"], False),
        (JobFilter(key="k"), "-id", ["USING INTEGER PRIMARY KEY (rowid<?)"], False),
        (JobFilter(search="words"), "id", ["USING INTEGER PRIMARY KEY (rowid>?)"], False),
        (JobFilter(tag="t"), "-created_at", ["USING INTEGER PRIMARY KEY (rowid<?)"], False),
        (JobFilter(status=(JobStatus.FAILED,)), "-finished_at", [f"{FINISHED} (status=? AND"], True),
        (JobFilter(key="k"), "finished_at", [f"{FINISHED} (status=? AND"], True),
        (JobFilter(status=(JobStatus.FAILED,)), "-id", [f"{FINISHED} (status=?"], True),
        (JobFilter(status=(JobStatus.RUNNING,)), "-id", [RUNNING], True),
        (
            JobFilter(status=(JobStatus.PENDING,)),
            "-id",
            [READY, CONDITIONED, DUE_WALL, DUE_BOOT, HELD],
            True,
        ),
        (
            JobFilter(status=(JobStatus.PENDING,), queue="q", key="k"),
            "-id",
            [f"{READY} (alone=? AND queue=? AND job_key=?)"],
            True,
        ),
        (JobFilter(held=True), "-id", [HELD], True),
        (
            JobFilter(unique="u", status=(JobStatus.PENDING,)),
            "-id",
            ["windlass_jobs_unique", "windlass_jobs_unique_next"],
            False,
        ),
        (JobFilter(ids=(1, 2)), "-id", ["USING INTEGER PRIMARY KEY (rowid=?)"], False),
    ],
    ids=str,
)
def test_a_page_walks_no_table_and_sorts_nothing_but_ids(
    store: SqliteStore,
    monkeypatch: pytest.MonkeyPatch,
    where: JobFilter,
    order: str,
    wanted: list[str],
    sorts: bool,
) -> None:
    """Its statements as they are run. What is sorted is ids, at most 50,000 of them, or two pages."""
    for key in "kkk":
        store.insert([NewJob(key=key, queue="q", unique=None)])
    with store.database.read() as connection:
        asked: list[str] = []
        connection.set_trace_callback(asked.append)
    after = f"f{10**15}.1" if "finished" in order else "i0.2"
    store.page(where, order=order, limit=1, after=after)
    store.count(where)
    with store.database.read() as connection:
        connection.set_trace_callback(None)
        steps = [
            row[3]
            for text in asked
            if text.startswith("SELECT") and "json_each('[]')" not in text
            for row in connection.execute(f"EXPLAIN QUERY PLAN {text}")
        ]
    for index in wanted:
        assert any(index in step for step in steps), (index, steps)
    for step in steps:
        counts = "COVERING INDEX" in step or "USING INDEX" in step
        assert not step.startswith("SCAN background_service_jobs") or counts or where == JobFilter(), step
    assert sorts or not [step for step in steps if "TEMP B-TREE" in step], steps
