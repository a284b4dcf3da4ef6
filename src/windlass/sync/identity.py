"""Keys for rows that come from a remote which knows them by another id: UUIDs of version 7, oldest first."""

from __future__ import annotations

import secrets
from uuid import UUID

from windlass.change import Table
from windlass.clock import Clock
from windlass.errors import ConfigError


def uuid7(wall_us: int, chance: int) -> UUID:
    """A UUID whose order is that of time: 48 bits of milliseconds, 12 of the rest, 62 of ``chance``.

    >>> str(uuid7(1_700_000_000_123_456, 0))
    '018bcfe5-687b-774b-8000-000000000000'
    """
    milliseconds, micros = divmod(wall_us, 1000)
    value = (milliseconds & (1 << 48) - 1) << 80 | 7 << 76
    value |= (micros * 4096 // 1000) << 64 | 2 << 62 | chance & (1 << 62) - 1
    return UUID(int=value)


def mutation_ids(count: int) -> list[str]:
    """So many random UUIDs (version 4), without their hyphens."""
    chance = bytearray(secrets.token_bytes(16 * count))
    chance[6::16] = chance[6::16].translate(_VERSION_4)
    chance[8::16] = chance[8::16].translate(_VARIANT)
    digits = chance.hex()
    return [digits[begin : begin + 32] for begin in range(0, len(digits), 32)]


_VERSION_4 = bytes(byte & 0x0F | 0x40 for byte in range(256))
_VARIANT = bytes(byte & 0x3F | 0x80 for byte in range(256))


def new_key(table: Table, clock: Clock) -> str:
    """A key for a new row of a table whose keys the database does not make.

    Raises:
        ConfigError: the key has several columns, or is no text.
    """
    column = next(one for one in table.columns if one.name == table.key[0])
    if len(table.key) > 1 or column.affinity not in ("TEXT", "BLOB"):
        raise ConfigError(
            f'{table.name}: with ids="server" rows that arrive need keys of their own: make its key an '
            "INTEGER PRIMARY KEY, or one TEXT column"
        )
    return str(uuid7(clock.wall_us(), secrets.randbits(62)))
