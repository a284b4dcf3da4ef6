"""Keys for rows that arrive: in the order of time, and never the same twice."""

from __future__ import annotations

from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.change import Affinity, Column, Table
from windlass.errors import ConfigError
from windlass.sync.identity import mutation_ids, new_key, uuid7
from windlass.testing import ManualClock

moments = st.integers(0, 2**48 * 1000 - 1)
chances = st.integers(0, 2**62 - 1)


def table(*affinities: Affinity) -> Table:
    columns = tuple(Column(f"k{place}", "", affinity) for place, affinity in enumerate(affinities))
    return Table(name="notes", key=tuple(one.name for one in columns), columns=columns)


@given(moments, chances)
def test_it_is_a_uuid_of_version_7(wall_us: int, chance: int) -> None:
    made = uuid7(wall_us, chance)
    assert (made.version, made.variant) == (7, RFC_4122)
    assert made.int >> 80 == wall_us // 1000


def test_mutation_ids_are_random_uuids_each_once() -> None:
    made = mutation_ids(500)
    assert len(set(made)) == 500
    for one in made:
        assert UUID(one).hex == one
        assert (UUID(one).version, UUID(one).variant) == (4, RFC_4122)
    assert mutation_ids(0) == []


@given(moments, moments, chances, chances)
def test_the_older_one_comes_first_down_to_the_microsecond(
    one: int, other: int, chance: int, another: int
) -> None:
    earlier, later = sorted((one, other))
    if earlier < later:
        assert str(uuid7(earlier, chance)) < str(uuid7(later, another))


@given(moments, chances, chances)
def test_chance_alone_tells_two_of_one_moment_apart(wall_us: int, one: int, other: int) -> None:
    assert (uuid7(wall_us, one) == uuid7(wall_us, other)) == (one == other)


@given(chances)
def test_more_chance_than_there_is_room_for_spoils_nothing(chance: int) -> None:
    assert uuid7(1_700_000_000_000_000, chance + (1 << 62)) == uuid7(1_700_000_000_000_000, chance)


@pytest.mark.parametrize("affinity", ["TEXT", "BLOB"])
def test_a_new_key_is_told_by_the_programs_own_clock(affinity: Affinity) -> None:
    clock = ManualClock()
    keys: list[str] = []
    for _ in range(3):
        keys.append(new_key(table(affinity), clock))
        clock.advance("1ms")
    assert keys == sorted(keys)
    assert int(keys[0].replace("-", "")[:12], 16) == int(keys[1].replace("-", "")[:12], 16) - 1


def test_keys_made_at_one_moment_are_different() -> None:
    clock = ManualClock()
    assert len({new_key(table("TEXT"), clock) for _ in range(1000)}) == 1000


@pytest.mark.parametrize("keys", [table("INTEGER"), table("NUMERIC"), table("TEXT", "TEXT")])
def test_a_key_that_nobody_can_make_is_refused_with_the_way_out(keys: Table) -> None:
    with pytest.raises(ConfigError, match="make its key an INTEGER PRIMARY KEY, or one TEXT column"):
        new_key(keys, ManualClock())
