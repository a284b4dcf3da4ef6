"""Thousands of real rows: ISO's languages, countries and currencies, or what every Python brings along."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib import import_module
from itertools import islice
from typing import Any, NamedTuple

from windlass.demo.sync.tale import ISO_TALE, STDLIB_TALE, Tale

CHOICE = "WINDLASS_DEMO_TABLES"
"""The environment variable that may say ``stdlib``, where pycountry is installed, too."""
_LAST_CHARACTER = 0x2BFF
_A_DAY = datetime(2026, 1, 1, tzinfo=UTC)


class Collection(NamedTuple):
    """One table, here and at the server."""

    name: str
    create: str
    select: str
    how_many: str


class Tables(NamedTuple):
    """All of them, and what is told with them."""

    title: str
    collections: tuple[Collection, ...]
    tale: Tale

    def rows(self, limit: int | None = None) -> dict[str, dict[str, dict[str, Any]]]:
        """The real rows, by table and id; of each table at most ``limit``, and those of the tale."""
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for one in self.collections:
            every = dict(_ROWS[one.name]())
            kept = dict(islice(every.items(), limit))
            if one.name == self.tale.table:
                kept |= {id_: every[id_] for id_ in self.tale.ids}
            found[one.name] = kept
        return found


def find_tables() -> Tables:
    """ISO's tables where pycountry is installed; else what the standard library has."""
    if os.environ.get(CHOICE) != "stdlib" and importlib.util.find_spec("pycountry") is not None:
        return _ISO
    return _STDLIB


def _of_pycountry(name: str, key: str, *fields: str) -> Iterator[tuple[str, dict[str, Any]]]:
    # Not imported by name: it is no dependency of ours, and its types are not known where it is absent.
    database: Iterable[Any] = getattr(import_module("pycountry"), name)
    for row in database:
        yield getattr(row, key), {field: getattr(row, field, None) for field in fields} | {"note": ""}


def _languages() -> Iterator[tuple[str, dict[str, Any]]]:
    return _of_pycountry("languages", "alpha_3", "name", "scope", "type")


def _subdivisions() -> Iterator[tuple[str, dict[str, Any]]]:
    return _of_pycountry("subdivisions", "code", "name", "type", "country_code")


def _countries() -> Iterator[tuple[str, dict[str, Any]]]:
    return _of_pycountry("countries", "alpha_2", "name", "alpha_3", "flag")


def _currencies() -> Iterator[tuple[str, dict[str, Any]]]:
    return _of_pycountry("currencies", "alpha_3", "name", "numeric")


def _characters() -> Iterator[tuple[str, dict[str, Any]]]:
    import unicodedata

    for code in range(_LAST_CHARACTER + 1):
        character = chr(code)
        if name := unicodedata.name(character, ""):
            category = unicodedata.category(character)
            yield f"U+{code:04X}", {"name": name, "category": category, "note": ""}


def _entities() -> Iterator[tuple[str, dict[str, Any]]]:
    from html.entities import html5

    for name, characters in html5.items():
        yield name, {"characters": characters, "note": ""}


def _zones() -> Iterator[tuple[str, dict[str, Any]]]:
    from zoneinfo import ZoneInfo, available_timezones

    for name in sorted(available_timezones()):
        local = _A_DAY.astimezone(ZoneInfo(name))
        yield name, {"winter": local.strftime("%z"), "abbreviation": local.tzname(), "note": ""}


def _types() -> Iterator[tuple[str, dict[str, Any]]]:
    from mimetypes import types_map

    for ending, kind in types_map.items():
        yield ending, {"type": kind, "note": ""}


_ROWS = {
    "languages": _languages,
    "subdivisions": _subdivisions,
    "countries": _countries,
    "currencies": _currencies,
    "characters": _characters,
    "entities": _entities,
    "zones": _zones,
    "types": _types,
}

_ISO = Tables(
    "ISO's languages, subdivisions, countries and currencies",
    (
        Collection(
            "languages",
            "CREATE TABLE languages "
            "(id TEXT PRIMARY KEY NOT NULL, name TEXT, scope TEXT, type TEXT, note TEXT)",
            "SELECT id, name, scope, type, note FROM languages",
            "SELECT count(*) FROM languages",
        ),
        Collection(
            "subdivisions",
            "CREATE TABLE subdivisions "
            "(id TEXT PRIMARY KEY NOT NULL, name TEXT, type TEXT, country_code TEXT, note TEXT)",
            "SELECT id, name, type, country_code, note FROM subdivisions",
            "SELECT count(*) FROM subdivisions",
        ),
        Collection(
            "countries",
            "CREATE TABLE countries "
            "(id TEXT PRIMARY KEY NOT NULL, name TEXT, alpha_3 TEXT, flag TEXT, note TEXT)",
            "SELECT id, name, alpha_3, flag, note FROM countries",
            "SELECT count(*) FROM countries",
        ),
        Collection(
            "currencies",
            "CREATE TABLE currencies (id TEXT PRIMARY KEY NOT NULL, name TEXT, numeric TEXT, note TEXT)",
            "SELECT id, name, numeric, note FROM currencies",
            "SELECT count(*) FROM currencies",
        ),
    ),
    ISO_TALE,
)

_STDLIB = Tables(
    "Unicode's names, HTML's entities, the time zones and MIME types that Python brings along",
    (
        Collection(
            "characters",
            "CREATE TABLE characters (id TEXT PRIMARY KEY NOT NULL, name TEXT, category TEXT, note TEXT)",
            "SELECT id, name, category, note FROM characters",
            "SELECT count(*) FROM characters",
        ),
        Collection(
            "entities",
            "CREATE TABLE entities (id TEXT PRIMARY KEY NOT NULL, characters TEXT, note TEXT)",
            "SELECT id, characters, note FROM entities",
            "SELECT count(*) FROM entities",
        ),
        Collection(
            "zones",
            "CREATE TABLE zones (id TEXT PRIMARY KEY NOT NULL, winter TEXT, abbreviation TEXT, note TEXT)",
            "SELECT id, winter, abbreviation, note FROM zones",
            "SELECT count(*) FROM zones",
        ),
        Collection(
            "types",
            "CREATE TABLE types (id TEXT PRIMARY KEY NOT NULL, type TEXT, note TEXT)",
            "SELECT id, type, note FROM types",
            "SELECT count(*) FROM types",
        ),
    ),
    STDLIB_TALE,
)
