"""The disk after a power cut: what was synced is there, and of the rest anything that a disk might keep."""

from __future__ import annotations

import random

import pytest

from tests.powercut.disk import CHANCES, MODES, SECTOR, Delete, Disk, Mode, Open, Sync, Truncate, Write

OLD, NEW = b"o" * SECTOR, b"n" * SECTOR


def disk_with(*sectors: bytes) -> Disk:
    disk = Disk()
    disk.take(Open(1, "file", b"".join(sectors)))
    return disk


def images(disk: Disk, mode: Mode, count: int = 200) -> set[bytes | None]:
    rng = random.Random(7)
    return {disk.image(mode, rng).get("file") for _ in range(count)}


@pytest.mark.parametrize("mode", MODES)
def test_what_was_synced_survives_every_power_cut(mode: Mode) -> None:
    disk = disk_with(OLD)
    disk.take(Write(1, 0, NEW))
    disk.take(Sync(1))
    assert images(disk, mode) == {NEW}


def test_unsynced_writes_may_all_be_dropped_or_all_be_kept() -> None:
    disk = disk_with(OLD)
    disk.take(Write(1, 0, NEW))
    assert images(disk, "dropped") == {OLD}
    assert images(disk, "kept") == {NEW}


def test_a_write_is_torn_between_sectors_only() -> None:
    disk = disk_with(OLD, OLD, OLD)
    disk.take(Write(1, 0, NEW * 3))
    assert images(disk, "prefix") == {NEW * kept + OLD * (3 - kept) for kept in range(4)}


def test_an_unaligned_write_is_torn_where_the_sectors_of_the_disk_are() -> None:
    disk = disk_with(OLD, OLD)
    disk.take(Write(1, 500, b"x" * 100))
    torn = OLD[:500] + b"x" * 12
    assert images(disk, "prefix") == {OLD * 2, torn + OLD, torn + b"x" * 88 + OLD[88:]}


def test_a_later_write_may_arrive_without_an_earlier_one() -> None:
    disk = disk_with(OLD, OLD)
    disk.take(Write(1, 0, NEW))
    disk.take(Write(1, SECTOR, NEW))
    for mode in ("subset", "sectors"):
        assert images(disk, mode) == {OLD * 2, NEW + OLD, OLD + NEW, NEW * 2}


def test_a_sector_holds_any_of_the_contents_it_had() -> None:
    disk = disk_with(OLD)
    for letter in b"abc":
        disk.take(Write(1, 0, bytes([letter]) * SECTOR))
    assert images(disk, "sectors") == {bytes([letter]) * SECTOR for letter in b"oabc"}


def test_a_file_may_keep_its_old_length_or_its_new_one() -> None:
    disk = disk_with(OLD, OLD)
    disk.take(Truncate(1, SECTOR))
    assert images(disk, "subset") == {OLD, OLD * 2}
    assert images(disk, "sectors") >= {OLD, OLD * 2}


def test_a_new_file_may_be_missing_until_its_first_sync() -> None:
    disk = Disk()
    disk.take(Open(1, "file", None))
    disk.take(Write(1, 0, NEW))
    assert images(disk, "dropped") == {None}
    assert {None, NEW} <= images(disk, "subset")
    disk.take(Sync(1))
    assert images(disk, "dropped") == {NEW}


def test_a_deleted_file_may_come_back_unless_the_deletion_was_synced() -> None:
    disk = disk_with(OLD)
    disk.take(Delete("file", durable=False))
    assert {None, OLD} == images(disk, "subset")
    disk.take(Delete("file", durable=True))
    assert images(disk, "dropped") == {None}


def test_a_file_made_anew_never_mixes_with_the_one_it_replaced() -> None:
    disk = disk_with(OLD)
    disk.take(Delete("file", durable=False))
    disk.take(Open(2, "file", None))
    disk.take(Write(2, 0, NEW))
    for mode in CHANCES:
        # Zeros: the new length arrived and its content did not.
        assert images(disk, mode) <= {OLD, NEW, None, b"", bytes(SECTOR)}


def test_a_lying_disk_keeps_nothing_for_sure() -> None:
    disk = Disk(heeds_syncs=False)
    disk.take(Open(1, "file", OLD))
    disk.take(Write(1, 0, NEW))
    disk.take(Sync(1))
    assert images(disk, "dropped") == {OLD}
