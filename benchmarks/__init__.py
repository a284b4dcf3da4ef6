"""What Windlass costs, measured beside the raw ``sqlite3`` loop and beside other queues.

``python -m benchmarks [--only NAME] [--quick] [--json]``, from the root of the repository; ``python3 dev.py
bench`` does that in an environment that holds the other queues too.

A *benchmark* (``enqueue.py``, ``process.py``, ``backlog.py``, ``wake.py``, ``footprint.py``,
``startup.py``, ``sync.py``, ``device.py``, ``schedules.py``, ``dashboard.py``, and those on PostgreSQL in
``postgres*.py``) says what is measured. A *contender* (``contenders/``) knows how
one queue is used at its best. A *subject* is the two together.
Each subject lives in a process of its own (``child.py``), sets itself up once, and then measures only
while it holds the floor: the runner (``run.py``) hands the floor round, first subject to last, then
last to first, so that whatever else the machine does meets all of them alike. Samples become medians,
medians become ratios, and ``report.py`` prints them.

Raw means: the standard library's ``sqlite3``, or psycopg, the same table and indexes, the least that does
the same work, and nothing else. ``docs/benchmarks.md`` says for each figure how it is measured and why
that is fair.
"""
