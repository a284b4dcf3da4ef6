"""Statements spelled for SQLite, spelled for PostgreSQL.

Most differ in small words only, and are respelled by rule. Those that differ in kind are in ``sql/``, each in
a file of the same name as the statement it replaces. Each text is respelled once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from windlass.store.relational.engine import Values
from windlass.store.relational.statements import SQL as REFERENCE

FOLDER = Path(__file__).parent / "sql"

SQL: dict[str, str] = {file.stem: file.read_text(encoding="utf-8") for file in sorted(FOLDER.glob("*.sql"))}
"""The statements that are of another kind here, by name."""

_INSTEAD = {REFERENCE[name]: text for name, text in SQL.items() if name in REFERENCE}

_TOKEN = re.compile(r"--[^\n]*|'(?:[^']|'')*'|::|\?\d*|:[a-z_]+|%")
_NUMBERS = r"SELECT jsonb_array_elements_text(\1::jsonb)::bigint"
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"^--[^\n]*\n", re.MULTILINE), ""),
    (re.compile(r"\s+(?:INDEXED BY \w+|NOT INDEXED)\b"), ""),
    (
        re.compile(r"\bjson_each\(iif\(json_valid\(tags\), tags, '\[\]'\)\)"),
        "jsonb_array_elements_text(windlass_array(tags)) AS tag (value)",
    ),
    (re.compile(r"\bNOT IN \(SELECT value FROM json_each\(([?:]\w*)\)\)"), rf"<> ALL(ARRAY({_NUMBERS}))"),
    (re.compile(r"\bIN \(SELECT value FROM json_each\(([?:]\w*)\)\)"), rf"= ANY(ARRAY({_NUMBERS}))"),
    (re.compile(r"\bjson_each\(([?:]\w*)\)"), rf"({_NUMBERS} AS value)"),
    (re.compile(r"\bifnull\("), "coalesce("),
    (re.compile(r"\bCROSS JOIN\b"), "JOIN"),
    (re.compile(r"\bNOT (paused|cancel_requested)\b"), r"\1 = 0"),
    (re.compile(r"\b(WHERE|AND|OR) (paused|cancel_requested)\b(?! *[=<>])"), r"\1 \2 <> 0"),
    (re.compile(r"\b(WHERE|AND) 1(?= |\)|$)"), r"\1 true"),
    (re.compile(r"\b(WHERE|AND) 0(?= |\)|$)"), r"\1 false"),
    (re.compile(r"\bLIKE\b"), "ILIKE"),
    (re.compile(r"\bIN \(\)"), "IN (NULL)"),
    # NULL comes before all else there, in either direction.
    (re.compile(r"\b(finished_at|updated_at|created_at|priority) ASC\b"), r"\1 ASC NULLS FIRST"),
    (re.compile(r"\b(finished_at|updated_at|created_at|priority) DESC\b"), r"\1 DESC NULLS LAST"),
)
_WITH_IDS = re.compile(r"\s*INSERT INTO (?:background_service_jobs|windlass_dispatchers|windlass_audit)\b")


class Statement(NamedTuple):
    """A statement as psycopg takes it."""

    text: str
    numbered: bool
    """Its values are named p1, p2, …"""
    gives_id: bool
    """It returns the id of the row that it inserted."""

    def values(self, given: Values) -> Values:
        """Its values as it names them."""
        if not self.numbered or isinstance(given, Mapping):
            return given
        return {f"p{place}": value for place, value in enumerate(given, 1)}


@lru_cache(maxsize=2048)
def respelled(sql: str) -> Statement:
    """The statement in PostgreSQL's spelling.

    >>> respelled("SELECT id FROM t INDEXED BY i WHERE a = ?2 AND ifnull(b, '?') = ?1").text
    "SELECT id FROM t WHERE a = %(p2)s AND coalesce(b, '?') = %(p1)s"
    """
    instead = _INSTEAD.get(sql)
    text = sql if instead is None else instead
    if instead is None:
        for pattern, new in _RULES:
            text = pattern.sub(new, text)
        text = _named(_cases(text))
    gives_id = _WITH_IDS.match(text) is not None and "RETURNING" not in text
    if gives_id:
        text = f"{text.rstrip()}\nRETURNING id"
    numbered = re.search(r"\?\d", text) is not None
    return Statement(_TOKEN.sub(_placeholder, text), numbered, gives_id)


def _placeholder(found: re.Match[str]) -> str:
    token = found[0]
    if token == "?":
        return "%s"
    if token[0] == "?":
        return f"%(p{token[1:]})s"
    if token[0] == ":" and token != "::":
        return f"%({token[1:]})s"
    return token.replace("%", "%%")


def _cases(text: str) -> str:
    """``iif(a, b, c)`` as ``CASE``."""
    while (begin := text.find("iif(")) >= 0:
        end = _closing(text, begin + 3)
        condition, yes, no = _split(text[begin + 4 : end])
        text = f"{text[:begin]}CASE WHEN {condition} THEN {yes} ELSE {no} END{text[end + 1 :]}"
    return text


def _named(text: str) -> str:
    """A name for each table that is a query: before version 16 they need one."""
    place = 0
    while (found := re.compile(r"\bFROM \(").search(text, place)) is not None:
        end = _closing(text, found.end() - 1)
        place = found.end()
        if not re.match(r"\s*AS\b", text[end + 1 :]):
            text = f"{text[: end + 1]} AS part{text[end + 1 :]}"
    return text


def _closing(text: str, opening: int) -> int:
    depth = 0
    for place in range(opening, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if depth == 0:
            return place
    raise ValueError(f"expected a closing parenthesis in {text!r}")


def _split(text: str) -> list[str]:
    parts: list[str] = []
    depth = begin = 0
    for place, letter in enumerate(text):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append(text[begin:place].strip())
            begin = place + 1
    return [*parts, text[begin:].strip()]
