"""Where an answer says something: in a field of its body, or in a header.

Cursors, page styles, versions and ids are all told somewhere, and nearly every API has its own place for
each. A place reads one text out of an answer, or says that it is not there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol, cast

import msgspec

from windlass.errors import BadResponse, ConfigError
from windlass.sync.remote import Ask
from windlass.sync.reply import Reply

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_ABSENT: Any = object()


class Field(msgspec.Struct, frozen=True):
    """A field of a JSON body or document, by its path: names, and indexes of arrays, between dots.

    >>> Field("links.next.0.uri").of({"links": {"next": [{"uri": "/2"}]}})
    '/2'
    >>> Field("links.next").of({}) is None
    True
    """

    path: str

    def __post_init__(self) -> None:
        if not self.path or not all(self.path.split(".")):
            raise ConfigError(f'expected a field such as "data" or "links.next", got {self.path!r}')

    def of(self, body: Any) -> Any:
        """Its value; None where it is absent or null."""
        if type(body) is dict and self.path in body:  # nearly always, once for each row of a page
            return cast("dict[str, Any]", body)[self.path]
        found = self.found(body)
        return None if found is _ABSENT else found

    def found(self, body: Any) -> Any:
        here = body
        # A document may have the very name, dots and all.
        for name in (self.path,) if isinstance(body, Mapping) and self.path in body else self.path.split("."):
            if isinstance(here, Mapping):
                here = cast("Mapping[str, Any]", here).get(name, _ABSENT)
            elif isinstance(here, list) and name.isdecimal():
                items = cast("list[Any]", here)
                here = items[int(name)] if int(name) < len(items) else _ABSENT
            else:
                return _ABSENT
        return here

    def text(self, reply: Reply) -> str | None:
        """As ``text_of`` of an answer's body; None where there is no JSON."""
        return text_of(self.of(body_of(reply)))


_field = lru_cache(maxsize=64)(Field)


class Header(msgspec.Struct, frozen=True):
    """A header of an answer."""

    name: str

    def __post_init__(self) -> None:
        if _TOKEN.fullmatch(self.name) is None:
            raise ConfigError(f'expected the name of a header such as "ETag", got {self.name!r}')

    def text(self, reply: Reply) -> str | None:
        """Its value; None where it is absent or empty."""
        return reply.headers.get(self.name) or None


_header = lru_cache(maxsize=64)(Header)


class Place(Protocol):
    """A ``Field`` or a ``Header``."""

    def text(self, reply: Reply) -> str | None: ...


class Condition(msgspec.Struct, frozen=True):
    """What a request carries so that it is carried out only upon the version that it was made on."""

    headers: Mapping[str, str] = {}
    params: Mapping[str, str] = {}


class Version(Protocol):
    """How a remote tells the version of a row, and takes it back as a condition."""

    def of_document(self, document: Mapping[str, Any]) -> str | None:
        """The version inside a document, such as one of a page."""
        ...

    def of_reply(self, reply: Reply, document: Mapping[str, Any] | None) -> str | None:
        """The version that the answer for one item tells."""
        ...

    def condition(self, version: str) -> Condition:
        """Only if the remote still has this version."""
        ...


class ETag(msgspec.Struct, frozen=True, kw_only=True):
    """The ``ETag`` of an item, sent back as ``If-Match``.

    The rows of a page have no header of their own. ``field`` is where they tell what would be their ETag,
    without its quotes; without it a row that came by a page is fetched before its first update.

    >>> ETag(field="rev").of_document({"rev": 7})
    '"7"'
    """

    field: str | None = None
    header: str = "ETag"

    def of_document(self, document: Mapping[str, Any]) -> str | None:
        return None if self.field is None else quoted(text_of(_field(self.field).of(document)))

    def of_reply(self, reply: Reply, document: Mapping[str, Any] | None) -> str | None:
        told = reply.headers.get(self.header) or None
        return told if told is not None or document is None else self.of_document(document)

    def condition(self, version: str) -> Condition:
        # A proxy that compresses weakens the tag of the server behind it, which never matches as a weak one.
        return Condition({"If-Match": version.removeprefix("W/")})


class FieldVersion(msgspec.Struct, frozen=True):
    """A version that documents carry in a field, sent back as ``If-Match``, in quotes."""

    field: Field

    def of_document(self, document: Mapping[str, Any]) -> str | None:
        return text_of(self.field.of(document))

    def of_reply(self, reply: Reply, document: Mapping[str, Any] | None) -> str | None:  # noqa: ARG002 - the protocol's
        return None if document is None else self.of_document(document)

    def condition(self, version: str) -> Condition:
        return Condition({"If-Match": quoted(version) or version})


class Told(NamedTuple):
    """A page as it was answered, with what was asked for."""

    reply: Reply
    rows: Sequence[Mapping[str, Any]]
    ask: Ask
    total: int | None = None
    """Rows in all pages, where the remote says so."""

    @property
    def is_first(self) -> bool:
        return self.ask.page is None


def as_version(given: Any) -> Version | None:
    """``Field`` and ``Header`` as versions; what is one already, as it is."""
    if isinstance(given, Field):
        return FieldVersion(given)
    if isinstance(given, Header):
        return ETag(header=given.name)
    if given is None or all(hasattr(given, verb) for verb in ("of_document", "of_reply", "condition")):
        return cast("Version | None", given)
    raise ConfigError(
        f'expected version to be ETag(), Field("rev"), Header("X-Revision") or None, got {given!r}'
    )


def quoted(text: str | None) -> str | None:
    """As an entity tag.

    >>> quoted("7"), quoted('W/"7"')
    ('"7"', 'W/"7"')
    """
    return text if text is None or text.endswith('"') else f'"{text}"'


def text_of(value: Any) -> str | None:
    """A number or text as text; None for anything that cannot be an id, a version or a cursor.

    >>> text_of(7), text_of("7"), text_of(None), text_of({})
    ('7', '7', None, None)
    """
    if type(value) is str:
        return value
    if type(value) is int:
        return str(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value)


def texts_of(field: Field, rows: Sequence[Mapping[str, Any]]) -> list[str | None]:
    """``text_of`` of that field in each row of a page; they all have it, nearly always, and as one type."""
    try:
        values = [row[field.path] for row in rows]
    except KeyError:
        values = [field.of(row) for row in rows]
    kinds = set(map(type, values))
    if kinds == {str}:
        return values
    return list(map(str if kinds == {int} else text_of, values))


def versions_of(version: Version | None, rows: Sequence[Mapping[str, Any]]) -> Sequence[str | None]:
    """``of_document`` of each row of a page."""
    if version is None:
        return [None] * len(rows)
    if type(version) is FieldVersion:
        return texts_of(version.field, rows)
    if type(version) is ETag and version.field is not None:
        # As ``quoted`` does, without a call for each.
        texts = texts_of(_field(version.field), rows)
        return [text if text is None or text[-1:] == '"' else f'"{text}"' for text in texts]
    return list(map(version.of_document, rows))


def body_of(reply: Reply) -> Any:
    """The JSON of an answer; None where it has no body.

    Raises:
        BadResponse: there is a body, and it is not JSON.
    """
    return reply.json() if reply.content.strip() else None


def rows_of(reply: Reply, where: Field | None) -> Sequence[Mapping[str, Any]]:
    """The list of objects that an answer holds.

    Raises:
        BadResponse: there is none, or something in it is not an object.
    """
    body = reply.json()
    rows = body if where is None else where.of(body)
    name = "the body" if where is None else where.path
    if not isinstance(rows, list):
        raise BadResponse(f"{reply.url}: expected {name} to be a list of objects, got {body!r:.200}")
    objects = cast("list[Any]", rows)
    if not set(map(type, objects)) <= {dict}:
        row = next(row for row in objects if type(row) is not dict)
        raise BadResponse(f"{reply.url}: expected {name} to hold objects alone, got {row!r:.200}")
    return objects
