"""Who edits what while the network is away: plain SQL, as any program would say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

NOTE_MAX = 60
"""The server takes no longer note than this."""


class Edit(NamedTuple):
    """One statement, and why."""

    sql: str
    why: str


class Tale(NamedTuple):
    """Edits of one table, made on both replicas while neither hears of the other."""

    table: str
    ann: tuple[Edit, ...]
    ben: tuple[Edit, ...]
    shorten: str
    """The note that the person writes instead of the one that was too long."""
    asked: str
    """The row whose note both have written."""
    resolved: str
    """What the person makes of the two notes."""
    rejected: str
    """The row whose note is too long."""
    elsewhere: tuple[str, ...]
    """Rows that somebody else edits at the server meanwhile."""
    ending: Mapping[str, Mapping[str, str] | None]
    """Rows as everybody must have them in the end, by id; None: it is gone."""

    @property
    def ids(self) -> set[str]:
        """Rows that there must be at the beginning."""
        return {self.asked, self.rejected, *self.elsewhere, *self.ending} - {self.inserted}

    @property
    def inserted(self) -> str:
        """The row that is made on the way."""
        return _INSERTED[self.table]


ELSEWHERE = "read again by the editors"
_INSERTED = {"languages": "qaa", "characters": "U+E000"}

ISO_TALE = Tale(
    table="languages",
    ann=(
        Edit(
            "UPDATE languages SET note = 'see its members' WHERE scope = 'M'", "a note in every macrolanguage"
        ),
        Edit("UPDATE languages SET note = 'in Suriname, too' WHERE id = 'nld'", "Ben edits another column"),
        Edit(
            "UPDATE languages SET note = 'no known relatives' WHERE id = 'eus'", "Ben edits this column, too"
        ),
        Edit("DELETE FROM languages WHERE id = 'zxx'", "“no linguistic content”: no language"),
        Edit(
            "UPDATE languages SET note = 'the server will not take this: it is more than a note may have, "
            "and nobody here knows' WHERE id = 'tlh'",
            "too long for the server",
        ),
    ),
    ben=(
        Edit(
            "UPDATE languages SET note = 'of old times' WHERE type = 'H' AND scope = 'I'",
            "a note in every historical one",
        ),
        Edit("UPDATE languages SET name = 'Dutch, Flemish' WHERE id = 'nld'", "Ann edits another column"),
        Edit("UPDATE languages SET note = 'Euskara; in five dialects' WHERE id = 'eus'", "Ann edits it, too"),
        Edit(
            "INSERT INTO languages VALUES ('qaa', 'Our own', 'I', 'C', 'spoken in this office')", "a new row"
        ),
    ),
    shorten="fits now",
    asked="eus",
    resolved="Euskara: five dialects, no known relatives",
    rejected="tlh",
    elsewhere=("fra", "hin", "jpn", "yor", "tur"),
    ending={
        "nld": {"name": "Dutch, Flemish", "note": "in Suriname, too"},
        "eus": {"note": "Euskara: five dialects, no known relatives"},
        "zxx": None,
        "qaa": {"name": "Our own", "note": "spoken in this office"},
        "tlh": {"note": "fits now"},
        "jpn": {"note": ELSEWHERE},
    },
)

STDLIB_TALE = Tale(
    table="characters",
    ann=(
        Edit("UPDATE characters SET note = 'money' WHERE category = 'Sc'", "a note in every currency sign"),
        Edit("UPDATE characters SET note = 'holds a ship' WHERE id = 'U+2693'", "Ben edits another column"),
        Edit("UPDATE characters SET note = 'coffee' WHERE id = 'U+2615'", "Ben edits this column, too"),
        Edit("DELETE FROM characters WHERE id = 'U+00AD'", "a hyphen that nobody sees"),
        Edit(
            "UPDATE characters SET note = 'the server will not take this: it is more than a note may have, "
            "and nobody here knows' WHERE id = 'U+2622'",
            "too long for the server",
        ),
    ),
    ben=(
        Edit(
            "UPDATE characters SET note = 'leans on another' WHERE category = 'Lm'",
            "a note in every modifier",
        ),
        Edit("UPDATE characters SET name = 'KEDGE' WHERE id = 'U+2693'", "Ann edits another column"),
        Edit("UPDATE characters SET note = 'tea, of course' WHERE id = 'U+2615'", "Ann edits it, too"),
        Edit("INSERT INTO characters VALUES ('U+E000', 'WINDLASS', 'Co', 'private use')", "a new row"),
    ),
    shorten="fits now",
    asked="U+2615",
    resolved="coffee, or tea",
    rejected="U+2622",
    elsewhere=("U+0041", "U+00E9", "U+03A9", "U+05D0", "U+2192"),
    ending={
        "U+2693": {"name": "KEDGE", "note": "holds a ship"},
        "U+2615": {"note": "coffee, or tea"},
        "U+00AD": None,
        "U+E000": {"name": "WINDLASS", "note": "private use"},
        "U+2622": {"note": "fits now"},
        "U+03A9": {"note": ELSEWHERE},
    },
)
