"""Where the database lies, and what that place does to it: full, read-only, foreign, locked, out of files."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.store.children import WITH_STORE, child, run
from tests.store.conformance.steps import add, claim, settlement, the
from tests.store.test_log import ids, sound
from windlass.errors import ConfigError, StoreUnavailable, UnsafeDatabase
from windlass.job import JobStatus
from windlass.outcome import Completed
from windlass.store import open_store
from windlass.store.protocol import JobFilter, NewJob
from windlass.store.sqlite.connections import LOG_LIMIT
from windlass.store.sqlite.migrate import migrations
from windlass.store.sqlite.safety import check_place, file_system
from windlass.store.sqlite.store import SqliteStore
from windlass.watch import Watch

LOCKER = """
connection = sqlite3.connect(path)
connection.execute("BEGIN EXCLUSIVE")
say("held")
hear()
connection.rollback()
say("free")
hear()
"""
BIG = '{"filler":"' + "x" * 4000 + '"}'


def mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, f"mount {arguments} needs root on Linux: {done.stderr}"


@contextmanager
def mounted(where: Path, *arguments: str) -> Iterator[Path]:
    where.mkdir()
    mount(*arguments, str(where))
    try:
        yield where
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of three megabytes."""
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=3m", "tmpfs") as where:
        yield where


def fill(disk: Path) -> Path:
    """Leaves not a byte free."""
    ballast = disk / "ballast"
    with ballast.open("ab", buffering=0) as file:
        for size in (65536, 4096, 1):
            while True:
                try:
                    file.write(b"\0" * size)
                except OSError:
                    break
    return ballast


# ── full ───────────────────────────────────────────────────────────────────────────────────────────
def test_a_full_disk_raises_loses_nothing_and_work_resumes_when_there_is_room(disk: Path) -> None:
    """T2."""
    store = SqliteStore(disk / "app.db")
    store.migrate()
    acknowledged = {add(store, payload=BIG) for _ in range(20)}
    ballast = fill(disk)
    told: StoreUnavailable | None = None
    while told is None:
        try:
            acknowledged.add(add(store, payload=BIG))
        except StoreUnavailable as error:
            told = error
    assert f"{disk}/app.db" in str(told)
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="nothing was written"):
            store.insert([NewJob(key="work", payload=BIG)] * 50)
    assert ids(store) == acknowledged
    ballast.unlink()
    acknowledged.add(add(store, payload=BIG))
    assert ids(store) == acknowledged
    store.close()
    assert sound(disk / "app.db")


def test_completions_wait_for_a_full_disk_and_are_recorded_once_it_is_freed(disk: Path) -> None:
    """T2: the attempt still owns its job, so that the same settlement goes through later."""
    store = SqliteStore(disk / "app.db")
    store.migrate()
    for _ in range(50):
        add(store)
    claimed = claim(store, limit=50)
    ballast = fill(disk)
    result = Completed('"' + "x" * 20_000 + '"')
    with pytest.raises(StoreUnavailable, match="nothing was written"):
        store.settle_and_claim([settlement(one, result) for one in claimed])
    assert store.counts()[JobStatus.RUNNING] == 50
    ballast.unlink()
    turn = store.settle_and_claim([settlement(one, result) for one in claimed])
    assert not turn.stale
    assert store.counts()[JobStatus.COMPLETED] == 50
    store.close()
    assert sound(disk / "app.db")


def test_a_job_that_is_in_is_acknowledged_though_the_log_cannot_be_moved(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """J2: told otherwise, its caller would enqueue it again."""
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=8m", "tmpfs") as disk:
        store = SqliteStore(disk / "app.db")
        store.migrate()
        while store.database.log_bytes() < LOG_LIMIT - 400_000:
            add(store, payload=BIG)
        with fill(disk).open("r+b") as ballast:
            ballast.truncate(ballast.seek(0, os.SEEK_END) - 700_000)
        acknowledged = ids(store)
        while "the log could not be copied into the database" not in caplog.text:
            acknowledged.add(add(store, payload=BIG))
        assert ids(store) == acknowledged
        store.close()


def test_a_new_database_on_a_full_disk_is_refused_in_words_and_made_later(disk: Path) -> None:
    ballast = fill(disk)
    store = SqliteStore(disk / "new.db")
    with pytest.raises(StoreUnavailable):
        store.migrate()
    ballast.unlink()
    assert store.migrate()
    assert add(store) == 1
    store.close()


# ── read-only ──────────────────────────────────────────────────────────────────────────────────────
def test_a_read_only_mount_can_be_read_and_refuses_writes_in_words(disk: Path) -> None:
    """T2: there is no log beside the file, and none can be made."""
    store = SqliteStore(disk / "app.db")
    store.migrate()
    job_id = add(store)
    store.close()
    before = (disk / "app.db").read_bytes()
    mount("-o", "remount,ro", str(disk))
    assert the(store, job_id).status is JobStatus.PENDING
    assert store.counts()[JobStatus.PENDING] == 1
    assert store.migrate() == []
    for write in (lambda: add(store), lambda: store.cancel([job_id]), lambda: claim(store)):
        with pytest.raises(StoreUnavailable, match="is read-only"):
            write()
    assert (disk / "app.db").read_bytes() == before
    mount("-o", "remount,rw", str(disk))
    assert add(store) == job_id + 1
    assert ids(store) == {job_id, job_id + 1}
    store.close()
    assert sound(disk / "app.db")


def test_who_sees_a_live_database_through_a_read_only_mount_reads_all_of_it(
    store: SqliteStore, path: Path, tmp_path: Path
) -> None:
    """A read-only remount: the dashboard still reads."""
    job_id = add(store)
    with mounted(tmp_path / "view", "--bind", str(path.parent)) as view:
        mount("-o", "remount,bind,ro", str(view))
        onlooker = SqliteStore(view / "app.db")
        assert ids(onlooker) == {job_id}
        again = add(store)
        assert ids(onlooker) == {job_id, again}
        with pytest.raises(StoreUnavailable, match="is read-only"):
            add(onlooker)
        onlooker.close()


# ── out of files ───────────────────────────────────────────────────────────────────────────────────
def test_without_file_descriptors_nothing_is_lost_and_it_works_again_when_there_are_some(
    store: SqliteStore, path: Path
) -> None:
    """EMFILE: an open store goes on enqueuing; one that must open files says what is wrong."""
    add(store)
    heard = run(
        path,
        WITH_STORE
        + """
import resource
from windlass.errors import StoreUnavailable
store.insert([NewJob(key="a")])
fresh = open_store(path + "2")
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
hoard = []
while True:
    try: hoard.append(os.open("/dev/null", os.O_RDONLY))
    except OSError: break
say(store.insert([NewJob(key="a")])[0].job_id)
for what in (lambda: fresh.migrate(), lambda: store.bell("watch")):
    try: what()
    except StoreUnavailable as error: say(error)
os.close(hoard.pop()); os.close(hoard.pop())
for fd in hoard: os.close(fd)
say(fresh.migrate())
store.bell("watch").close()
say(store.insert([NewJob(key="a")])[0].job_id)
""",
    )
    assert heard[0] == "3"
    assert "limit of open files" in heard[1]
    assert "limit of open files" in heard[2]
    assert heard[3:] == [str([one.name for one in migrations()]), "4"]
    assert ids(store) == {1, 2, 3, 4}


def test_descriptors_above_a_thousand_can_be_watched(store: SqliteStore) -> None:
    """select() would refuse them; a web server has that many."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limit[0], 2048), max(limit[1], 2048)))
    hoard = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]
    try:
        job_id = add(store)
        with Watch(store, JobFilter(ids=(job_id,)), poll_s=30.0, one=True) as changes:
            first = changes.next()
            store.cancel([job_id])
            second = changes.next()
    finally:
        for descriptor in hoard:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    assert first is not None
    assert second is not None
    assert second.status is JobStatus.CANCELLED


# ── locked ─────────────────────────────────────────────────────────────────────────────────────────
def test_a_database_that_another_program_locks_is_waited_for_and_then_refused_in_words(path: Path) -> None:
    """``BEGIN EXCLUSIVE``: nothing is written, reading goes on, and work resumes by itself."""
    store = SqliteStore(path, busy_timeout_s=0.2)
    store.migrate()
    job_id = add(store)
    with child(path, LOCKER) as other:
        assert other.heard() == "held"
        with pytest.raises(StoreUnavailable, match=r"locked by another connection for 0\.2 s: nothing"):
            add(store)
        with pytest.raises(StoreUnavailable, match="locked"):
            store.cancel([job_id])
        assert ids(store) == {job_id}
        other.ask()
        assert add(store) == job_id + 1
    store.close()


def test_a_lock_that_is_given_back_in_time_is_no_error(path: Path) -> None:
    store = SqliteStore(path)
    store.migrate()
    with child(path, LOCKER) as other:
        assert other.heard() == "held"
        other.tell()
        assert add(store) == 1
    store.close()


# ── where it may not lie ───────────────────────────────────────────────────────────────────────────
def test_a_directory_instead_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsafeDatabase, match=r"expected a database file, got the directory .*/windlass\.db"):
        SqliteStore(tmp_path).migrate()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named_and_nothing_is_made(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "no" / "app.db")
    with pytest.raises(StoreUnavailable, match=f"the folder {tmp_path}/no does not exist: create it"):
        store.migrate()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "no").mkdir()
    assert store.migrate()
    store.close()


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("Dear diary, " * 100, encoding="utf-8")
    with pytest.raises(UnsafeDatabase, match="not an SQLite database"):
        SqliteStore(text).migrate()
    assert text.read_text(encoding="utf-8") == "Dear diary, " * 100


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "9p", "fuse.sshfs"])
def test_a_network_file_system_is_refused(tmp_path: Path, kind: str) -> None:
    """T1: its write-ahead log loses data."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
        f"40 22 0:50 / /mnt/team\\040share rw,relatime shared:1 - {kind} server:/share rw\n",
        encoding="utf-8",
    )
    assert file_system("/home/a.db", str(mounts)) == "ext4"
    assert file_system("/mnt/team share/a.db", str(mounts)) == kind
    assert file_system("/mnt/team shares/a.db", str(mounts)) == "ext4"
    whole = mounts.with_name("whole")
    whole.write_text(f"22 1 0:50 / / rw,relatime - {kind} server:/ rw\n", encoding="utf-8")
    with pytest.raises(UnsafeDatabase, match=f"file system \\({kind}\\).*keep the file on a local disk"):
        check_place(str(tmp_path / "app.db"), str(whole))


@pytest.mark.parametrize("name", ["", ":memory:", "sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="would not survive"):
        open_store(name)


def test_a_url_of_another_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="no store for mysql://"):
        open_store("mysql://localhost/app")


def test_a_url_names_the_file(tmp_path: Path) -> None:
    assert open_store(f"sqlite:///{tmp_path}/app.db").path == f"{tmp_path}/app.db"
    assert open_store(tmp_path / "app.db").path == f"{tmp_path}/app.db"


# ── whose it is ────────────────────────────────────────────────────────────────────────────────────
def test_files_are_their_owners_alone(path: Path) -> None:
    """X2: 0600 and 0700, whatever the umask is."""
    before = os.umask(0)
    try:
        store = SqliteStore(path)
        store.migrate()
        bell = store.bell("work")
        add(store)
        store.backup(f"{path}.copy")
        for entry in path.parent.rglob("*"):
            mode = stat.S_IMODE(entry.lstat().st_mode)
            assert mode == (0o700 if entry.is_dir() else 0o600), entry
        bell.close()
        store.close()
    finally:
        os.umask(before)


# ── copies ─────────────────────────────────────────────────────────────────────────────────────────
def test_a_backup_is_whole_while_everything_runs_and_overwrites_nothing(
    store: SqliteStore, path: Path
) -> None:
    add(store)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        store.backup(f"{path}.copy")
    copy = SqliteStore(f"{path}.copy")
    assert ids(copy) == {1}
    copy.close()
    with pytest.raises(StoreUnavailable, match="exists: name a new file"):
        store.backup(f"{path}.copy")
    shutil.rmtree(path.parent / "none", ignore_errors=True)
    with pytest.raises(StoreUnavailable, match="cannot be written"):
        store.backup(str(path.parent / "none" / "copy"))
