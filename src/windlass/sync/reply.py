"""What a server answered: status, headers and body, and what they say between the lines.

Everything here was written by the other side: numbers are bounded, texts are cut and cleaned, and what
cannot be read is ``BadResponse``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from itertools import chain
from typing import Any, TypeVar, cast, overload
from urllib.parse import urljoin

import msgspec

from windlass.errors import BadResponse, RemoteError
from windlass.redact import REDACTED, clean

T = TypeVar("T")
DEPTH_MAX = 64
"""The deepest nesting of a JSON body, unless ``Limits`` says otherwise."""
AFTER_S_MAX = 86_400.0
"""The longest wait that a server is believed: a day."""
PROBLEM_BYTES_MAX = 4096
"""The longest problem document that is kept."""

_NESTS = frozenset((dict, list))
_VALUES = cast("Callable[[Any], Iterable[Any]]", dict.values)  # pyright: ignore[reportUnknownMemberType]
_JSON = msgspec.json.Decoder()
_LINK = re.compile(r'<([^>]*)>((?:\s*;\s*[\w*-]+(?:\s*=\s*(?:"[^"]*"|[^",;]*))?)*)')
_ATTRIBUTE = re.compile(r';\s*([\w*-]+)(?:\s*=\s*(?:"([^"]*)"|([^",;\s]*)))?')
_MAX_AGE = re.compile(r'\bmax-age\s*=\s*"?(\d{1,12})', re.IGNORECASE)
_REMAINING = re.compile(r"(?:^|[;,\s])(?:r|remaining)\s*=\s*(\d{1,15})(?!\d)", re.IGNORECASE)
_RESET = re.compile(r"(?:^|[;,\s])(?:t|reset)\s*=\s*(\d{1,15})(?!\d)", re.IGNORECASE)
# No span of seconds is as large as a date in seconds, no date in seconds as one in milliseconds.
_A_DATE, _A_DATE_MS = 1e8, 1e11


class Headers(Mapping[str, str]):
    """Headers by name, whatever its case; those that came several times are joined by commas.

    >>> Headers({"ETag": '"7"'})["etag"]
    '"7"'
    """

    __slots__ = ("by_name",)

    by_name: dict[str, str]
    """By their names in lower case."""

    def __init__(self, headers: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        if type(headers) is dict:  # nearly always, and once for each item of a batch
            given = cast("dict[str, str]", headers)
            self.by_name = {name.lower(): value for name, value in given.items()}
            if len(self.by_name) == len(given):
                return
        pairs = cast(
            "Iterable[tuple[str, str]]", headers.items() if isinstance(headers, Mapping) else headers
        )
        self.by_name = {}
        for name, value in pairs:
            name = name.lower()
            self.by_name[name] = f"{self.by_name[name]}, {value}" if name in self.by_name else value

    def __getitem__(self, name: str) -> str:
        return self.by_name[name.lower()]

    @overload
    def get(self, key: str, /) -> str | None: ...
    @overload
    def get(self, key: str, /, default: str | T) -> str | T: ...
    def get(self, key: str, /, default: Any = None) -> Any:
        """Its value, or the default. (What ``Mapping`` has raises and catches where there is none.)"""
        return self.by_name.get(key.lower(), default)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self.by_name

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_name)

    def __len__(self) -> int:
        return len(self.by_name)

    def __repr__(self) -> str:
        # Names alone: values may be cookies and keys.
        return f"Headers({', '.join(self.by_name)})"


class Reply(msgspec.Struct, eq=False, gc=False):
    """One HTTP answer, whatever its status."""

    status: int
    given: Mapping[str, str] | Iterable[tuple[str, str]] = ()
    """Its headers, as they came."""
    content: bytes = b""
    """The body, decompressed."""
    url: str = ""
    """Where it came from, after redirects."""
    method: str = "GET"
    received_s: float = 0.0
    """By the wall clock, in seconds."""
    depth_max: int = DEPTH_MAX
    """The deepest nesting of the body that is read."""
    _headers: Headers | None = None

    @property
    def headers(self) -> Headers:
        """What it says beside its body."""
        headers = self._headers
        if headers is None:  # made when they are asked for: a batch has one for each item
            headers = self._headers = Headers(self.given)
        return headers

    def lone(self, name: str) -> str | None:
        """The value of this header, where it is the only one; None: look at ``headers``."""
        given = self.given
        if type(given) is not dict:
            return None
        given = cast("dict[str, str]", given)  # nothing is made of it: a batch has one for each item
        return given.get(name) if len(given) == 1 else None

    def __repr__(self) -> str:
        return f"<{self.method} {shown(self.url)}: {self.status}, {len(self.content):,} bytes>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("method", self.method), ("url", shown(self.url)), ("status", self.status)]

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            BadResponse: it is none, or nested too deeply; the message says what came instead.
        """
        try:
            value = _JSON.decode(self.content)
        except RecursionError:
            raise self._unreadable("JSON that is nested too deeply") from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise self._unreadable("what is not JSON") from None
        # Level by level: recursion is what a deep document is made to exhaust.
        level: list[Any] = [value] if type(value) in (dict, list) else []
        depth = 0
        while level:
            depth += 1
            if depth > self.depth_max:
                raise self._unreadable(f"JSON that is nested deeper than {self.depth_max} levels")
            lists: list[Any] = [one for one in level if type(one) is list]
            objects: list[Any] = [one for one in level if type(one) is not list] if lists else level
            if not lists and _NESTS.isdisjoint(map(type, chain.from_iterable(map(_VALUES, objects)))):
                break  # the rows of a page
            children = chain.from_iterable(chain(lists, map(_VALUES, objects)))
            level = [child for child in children if type(child) in _NESTS]
        return value

    @property
    def links(self) -> dict[str, str]:
        """The ``Link`` header: relation → absolute URL. The first of several with one relation counts."""
        found: dict[str, str] = {}
        for target, attributes in _LINK.findall(self.headers.get("link", "")):
            named = {name.lower(): quoted or plain for name, quoted, plain in _ATTRIBUTE.findall(attributes)}
            for relation in named.get("rel", "").lower().split():
                found.setdefault(relation, urljoin(self.url, target.strip()))
        return found

    @property
    def max_age_s(self) -> float | None:
        """How long the answer stays fresh by ``Cache-Control`` and ``Age``; None: it does not say."""
        control = self.headers.get("cache-control", "").lower()
        if "no-store" in control or "no-cache" in control:
            return 0.0
        age = _number(self.headers.get("age"))
        return max(0.0, float(found[1]) - (age or 0.0)) if (found := _MAX_AGE.search(control)) else None

    @property
    def retry_after_s(self) -> float | None:
        """How long the server wants to be left alone, in seconds; None where it does not say. At most a day.

        From ``Retry-After`` (seconds or a date) and ``Backoff``; where neither is there, from the rate limit
        headers, if nothing is left of the limit.
        """
        said = [self._span(self.headers.get(name)) for name in ("retry-after", "backoff")]
        waits = [wait for wait in said if wait is not None] or list(self._limits())
        return min(max(waits), AFTER_S_MAX) if waits else None

    def problem(self) -> str | None:
        """What the server says is wrong, fit to be stored and shown; None where the body says nothing.

        The JSON document, if it is one (RFC 9457, or an API's own), else the beginning of the text.
        """
        if not self.content:
            return None
        document = self._document()
        if document is not None:
            text = msgspec.json.encode(_cleaned(document, 0)).decode()
            if len(text.encode()) <= PROBLEM_BYTES_MAX:
                return text
            text = clean(text, PROBLEM_BYTES_MAX - 100)
            return msgspec.json.encode({"title": self.title, "cut": text[: PROBLEM_BYTES_MAX // 4]}).decode()
        return clean(_plain(self.content[: 4 * PROBLEM_BYTES_MAX]), 500) or None

    @property
    def title(self) -> str:
        """One line for an error: the status, and what the server says of it.

        >>> Reply(409, {}, b'{"title": "taken", "detail": "name is in use"}').title
        '409 Conflict: taken: name is in use'
        """
        try:
            status = f"{self.status} {HTTPStatus(self.status).phrase}"
        except ValueError:
            status = str(self.status)
        document = self._document()
        if isinstance(document, dict):
            fields = cast("dict[str, Any]", document)
            words = [
                fields.get(name) for name in ("title", "error", "detail", "message", "error_description")
            ]
            said = ": ".join(dict.fromkeys(word for word in words if isinstance(word, str) and word))
        elif document is None and "html" not in self.headers.get("content-type", ""):
            said = _plain(self.content[:400])
        else:
            said = ""
        return clean(f"{status}: {said}" if said else status, 500)

    def _document(self) -> Any:
        """The body as a JSON object or array; None: it is none."""
        if self.content[:1].isspace() or self.content[:1] in (b"{", b"["):
            try:
                value = self.json()
            except RemoteError:
                return None
            return cast("Any", value) if isinstance(value, (dict, list)) else None
        return None

    def _unreadable(self, what: str) -> BadResponse:
        kind = self.headers.get("content-type", "no content type")
        start = clean(_plain(self.content[:400]), 120)
        return BadResponse(
            clean(
                f"{self.method} {shown(self.url)} answered {self.status} with {what} "
                f"({kind}, {len(self.content):,} bytes): {start!r}",
                600,
            )
        )

    def _span(self, text: str | None) -> float | None:
        """Seconds from now, of a header that holds seconds or a date."""
        if text is None:
            return None
        if (seconds := _number(text)) is not None:
            return seconds
        date, now = _date_s(text), _date_s(self.headers.get("date"))
        # Two times of one clock, wherever it goes wrong; ours only where the server does not tell its own.
        return None if date is None else max(0.0, date - (self.received_s if now is None else now))

    def _limits(self) -> Iterator[float]:
        """The waits that the rate limit headers ask for, where nothing is left of a limit."""
        fields = self.headers.get("ratelimit", "")
        # One item for each policy; an old draft has a single list of limit, remaining and reset.
        for item in [fields] if "reset" in fields.lower() else fields.split(","):
            remaining, reset = _REMAINING.search(item), _RESET.search(item)
            if remaining and reset and (int(remaining[1]) == 0):
                yield float(reset[1])
        for prefix in ("ratelimit-", "x-ratelimit-", "x-rate-limit-"):
            remaining = _number(self.headers.get(f"{prefix}remaining"))
            reset = self.headers.get(f"{prefix}reset")
            if remaining == 0 and (wait := self._until(reset)) is not None:
                yield wait

    def _until(self, text: str | None) -> float | None:
        """Seconds from now, of a reset time: a span, or a date as text, in seconds or in milliseconds."""
        number = _number(text)
        if number is None or number < _A_DATE:
            return self._span(text)
        now = _date_s(self.headers.get("date"))
        seconds = number / 1000 if number > _A_DATE_MS else number
        return max(0.0, seconds - (self.received_s if now is None else now))


def shown(url: str) -> str:
    """A URL as errors and the log show it: without a user's name, and without the values of its query.

    >>> shown("https://ann:pw@api.example.com/tasks?_since=7&key=xyz")
    'https://[redacted]@api.example.com/tasks?_since=…&key=…'
    """
    path, mark, query = url.partition("#")[0].partition("?")
    names = (part.partition("=") for part in query[:1000].split("&") if part)
    return clean(path, 400) + mark + "&".join(f"{name}=…" if equals else "…" for name, equals, _ in names)


def _number(text: str | None) -> float | None:
    text = (text or "").strip()
    if not text or len(text) > 20 or not text.isascii() or not text.replace(".", "", 1).isdigit():
        return None
    return float(text)


def _date_s(text: str | None) -> float | None:
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _plain(content: bytes) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in content.decode(errors="replace")).split())


def _cleaned(value: Any, depth: int) -> Any:
    """The document without secrets: by their name, by their look, and those that are known."""
    if isinstance(value, str):
        return clean(value, PROBLEM_BYTES_MAX)
    if isinstance(value, dict):
        return {
            clean(key, 200): _hidden(key) or _cleaned(child, depth + 1)
            for key, child in cast("dict[str, Any]", value).items()
        }
    if isinstance(value, list):
        return [_cleaned(child, depth + 1) for child in cast("list[Any]", value)]
    return value


def _hidden(name: str) -> str | None:
    # `clean` knows the names of secrets: ask it with a value that is none.
    return REDACTED if "innocent" not in clean(f"{name[:200]}=innocent") else None
