"""Cron expressions on naive local time, by cronsim: what the clocks must show, whatever moment that is."""

from __future__ import annotations

import copy
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from windlass.errors import InvalidJob

if TYPE_CHECKING:
    from cronsim import CronSim

_LENGTH_MAX = 256
# A leap year, so that the fifty years that are looked through hold every date there is.
_ANY_TIME = datetime(2024, 1, 1)  # noqa: DTZ001  local times are naive
_EVERY_HOUR = set(range(24))


@lru_cache(maxsize=512)
def checked_cron(text: str) -> str:
    """The expression as it is stored, with single spaces.

    >>> checked_cron("*/5  9-17 * *  MON-FRI")
    '*/5 9-17 * * MON-FRI'

    Raises:
        InvalidJob: it cannot be read, or names a day that never comes.
    """
    text = " ".join(text.split())
    if not 1 <= len(text) <= _LENGTH_MAX:
        raise InvalidJob(f"expected cron to be 1 to {_LENGTH_MAX} characters, got {len(text)}")
    count = text.count(" ") + 1
    if count not in (5, 6):
        raise InvalidJob(
            'expected cron to have 5 fields such as "*/5 9-17 * * MON-FRI" (minute, hour, day of month, '
            f"month, day of week), or 6 with seconds first, got {count} in {text!r}"
        )
    from cronsim import CronSimError  # here: few programs have such a schedule, and each would pay for it

    try:
        _parsed(text)
    except CronSimError as error:
        raise InvalidJob(
            f"expected cron to be an expression that can come true, got {text!r}: {error}"
        ) from None
    if next_wall_time(text, _ANY_TIME) is None:
        raise InvalidJob(
            f"expected cron to be an expression that can come true, got {text!r}: no day fits it"
        )
    return text


def next_wall_time(text: str, wall: datetime) -> datetime | None:
    """The first whole second after that local time that the expression allows; None: none within fifty years.

    >>> next_wall_time("30 2 * * *", datetime(2026, 3, 29))
    datetime.datetime(2026, 3, 29, 2, 30)
    """
    search = copy.copy(_parsed(text))  # to parse it takes longer than the search
    search.dt = wall.replace(microsecond=0)
    return next(search, None)


def names_no_hour(text: str) -> bool:
    """True where every hour of the day is allowed, however that is spelled.

    >>> names_no_hour("*/5 * * * *"), names_no_hour("0 0-23 * * *"), names_no_hour("0 */2 * * *")
    (True, True, False)
    """
    return _parsed(text).hours == _EVERY_HOUR


@lru_cache(maxsize=512)
def _parsed(text: str) -> CronSim:
    from cronsim import CronSim

    # On naive time cronsim has no opinion about clocks that are changed: ours is in wall.py.
    return CronSim(text, _ANY_TIME)
