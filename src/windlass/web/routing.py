"""The table of routes: what each takes and gives is read from its function's signature.

>>> import msgspec
>>> class Found(msgspec.Struct):
...     name: str
>>> routes = Routes("queues")
>>> @routes.get("/api/queues/{name}")
... def show(call: Call, name: str) -> Found:
...     '''A queue.'''
...     return Found(name=name)
>>> routes.table[0].summary
'A queue.'
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar, get_type_hints
from urllib.parse import unquote

import msgspec

if TYPE_CHECKING:
    from windlass.app import Windlass
    from windlass.web.sessions import Visitor

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
F = TypeVar("F", bound=Callable[..., Any])

_PLACE = re.compile(r"\{(\w+)\}")


class Problem(Exception):
    """An error to be told to whoever asked: ``{"error": {"code", "message", "way_out"}}``."""

    def __init__(self, status: int, code: str, message: str, *, way_out: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.way_out = way_out


class Plain(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is not JSON, or has a status of its own."""

    content: bytes
    media_type: str
    status: int = 200


class Call(NamedTuple):
    """What every function of a route gets first."""

    app: Windlass
    visitor: Visitor
    """Who asks, and whether he may act."""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path."""

    method: Method
    path: str
    function: Callable[..., Any]
    group: str
    name: str
    """Its name in the OpenAPI document: ``queues.show``."""
    summary: str
    places: Mapping[str, Any]
    """The types of the path's parameters, by name."""
    query: Any
    """The struct of the query parameters; None: it takes none."""
    body: Any
    """The struct of the JSON body; None: it takes none."""
    answer: Any
    status: int
    action: str | None
    """What the audit log calls it; None: it changes nothing."""
    segments: tuple[str, ...]
    """The path in parts, each a word or ``{name}``."""

    def match(self, segments: Sequence[str]) -> dict[str, str] | None:
        """The path's parameters where the path is this one; None where it is not."""
        if len(segments) != len(self.segments):
            return None
        found: dict[str, str] = {}
        for own, given in zip(self.segments, segments, strict=True):
            if own.startswith("{"):
                found[own[1:-1]] = given
            elif own != given:
                return None
        return found


class Routes:
    """The routes of one part of the API.

    A function takes ``call`` first, then the parameters of its path by their names, then ``query`` and
    ``body`` where it has them: structs, which are checked before it is called. It runs in a thread, and may
    raise ``Problem``; the errors of ``windlass.errors`` become fitting answers by themselves. Its docstring's
    first line is the summary, its return annotation the shape of the answer.

    A route that is no GET is an action: only those who may act reach it, and it is written to the audit log
    under its name, with its path's parameters and its body; ``audited=False``: it changes nothing.
    """

    def __init__(self, group: str) -> None:
        self.group = group
        self.table: list[Route] = []

    def get(self, path: str) -> Callable[[F], F]:
        """Adds a function that looks something up."""
        return self._adder("GET", path, 200, audited=False)

    def post(self, path: str, *, status: int = 200, audited: bool = True) -> Callable[[F], F]:
        """Adds a function that does something."""
        return self._adder("POST", path, status, audited=audited)

    def put(self, path: str, *, audited: bool = True) -> Callable[[F], F]:
        """Adds a function that sets something."""
        return self._adder("PUT", path, 200, audited=audited)

    def delete(self, path: str, *, audited: bool = True) -> Callable[[F], F]:
        """Adds a function that deletes something."""
        return self._adder("DELETE", path, 200, audited=audited)

    def _adder(self, method: Method, path: str, status: int, *, audited: bool) -> Callable[[F], F]:
        def add(fn: F) -> F:
            self.table.append(_read(self.group, method, path, fn, status, audited=audited))
            return fn

        return add


class RouteTable:
    """All routes together."""

    def __init__(self, groups: Iterable[Routes]) -> None:
        self.routes = [route for group in groups for route in group.table]
        taken: set[tuple[str, str]] = set()
        for route in self.routes:
            shape = (route.method, _PLACE.sub("{}", route.path))
            if shape in taken:
                raise ValueError(f"two routes for {route.method} {route.path}")
            taken.add(shape)

    def find(self, segments: Sequence[str]) -> dict[str, tuple[Route, dict[str, str]]]:
        """The routes of a path, by method; a word wins over a parameter."""
        found: dict[str, tuple[Route, dict[str, str]]] = {}
        for route in self.routes:
            places = route.match(segments)
            if places is not None:
                known = found.get(route.method)
                if known is None or len(places) < len(known[1]):
                    found[route.method] = (route, places)
        return found


def split_path(raw_path: str) -> tuple[str, ...]:
    """The segments of a path as it was sent: each decoded alone, so that a name may hold a slash.

    >>> split_path("/api/queues/mail%2Feu/pause")
    ('api', 'queues', 'mail/eu', 'pause')
    """
    return tuple(unquote(segment, errors="surrogateescape") for segment in raw_path.split("/")[1:])


def _read(group: str, method: Method, path: str, fn: Any, status: int, *, audited: bool) -> Route:
    hints = get_type_hints(fn, include_extras=True)
    parameters = list(inspect.signature(fn).parameters)
    in_path = _PLACE.findall(path)
    known = ["call", *in_path, "query", "body"]
    if not parameters or parameters[0] != "call" or any(name not in known for name in parameters):
        raise TypeError(
            f"{fn.__qualname__}: expected parameters call, {', '.join(known[1:])}, got {parameters}"
        )
    if missing := [name for name in in_path if name not in parameters]:
        raise TypeError(f"{fn.__qualname__}: {path} has {missing[0]}, which the function does not take")
    name = f"{group}.{fn.__name__}"
    return Route(
        method=method,
        path=path,
        function=fn,
        group=group,
        name=name,
        summary=(inspect.getdoc(fn) or name).partition("\n")[0],
        places={place: hints[place] for place in in_path},
        query=hints.get("query"),
        body=hints.get("body"),
        answer=hints["return"],
        status=status,
        action=name if audited else None,
        segments=split_path(path),
    )
