"""The OpenAPI document of the dashboard's API, made from its table of routes."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, cast

import msgspec

from windlass.version import VERSION
from windlass.web.routing import Plain, Route
from windlass.web.security import CSRF_HEADER

_REF = "#/components/schemas/{name}"
_ERRORS = {
    400: "It cannot be read.",
    401: "Nobody it knows asks.",
    403: "Refused: a foreign name or page, no CSRF token, or who only looks on.",
    404: "There is no such thing.",
    409: "Refused as things stand.",
    413: "Too large.",
    415: "Not JSON.",
    422: "It cannot be right; the message names the place.",
    503: "The database is busy, full or failing: try again.",
}


class ErrorTold(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong, for programs and for people."""

    code: str
    message: str
    way_out: str | None


class ErrorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to what was refused or failed."""

    error: ErrorTold


def document(routes: Iterable[Route], *, base: str = "") -> dict[str, Any]:
    """The document; ``base`` is where the dashboard is mounted."""
    table = list(routes)
    kinds = [kind for route in table for kind in _kinds(route)]
    schemas, components = msgspec.json.schema_components([*kinds, ErrorAnswer], ref_template=_REF)
    made = _Maker(dict(zip(map(_mark, kinds), schemas, strict=False)), components)
    paths: dict[str, Any] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = made.operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Windlass",
            "version": VERSION,
            "description": "The dashboard's API. Times are RFC 3339; spans end in _s, sizes in _bytes.",
        },
        "servers": [{"url": base or "/"}],
        "security": [{"bearer": []}, {"cookie": [], "csrf": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "windlass"},
                "csrf": {
                    "type": "apiKey",
                    "in": "header",
                    "name": CSRF_HEADER,
                    "description": "Beside the cookie, with everything but GET: csrf of GET /api/session.",
                },
            },
        },
    }


class _Maker:
    def __init__(self, schemas: dict[str, Any], components: dict[str, Any]) -> None:
        self._schemas = schemas
        self._components = components

    def operation(self, route: Route) -> dict[str, Any]:
        made: dict[str, Any] = {
            "operationId": route.name,
            "tags": [route.group],
            "summary": route.summary,
            "parameters": [*self._places(route), *self._query(route)],
            "responses": self._responses(route),
        }
        more = inspect.cleandoc(route.function.__doc__ or "").partition("\n")[2].strip()
        if more:
            made["description"] = more
        if route.body is not None:
            made["requestBody"] = {"required": True, "content": _json(self._of(route.body))}
        return made

    def _places(self, route: Route) -> list[dict[str, Any]]:
        return [
            {"name": name, "in": "path", "required": True, "schema": self._of(kind)}
            for name, kind in route.places.items()
        ]

    def _query(self, route: Route) -> list[dict[str, Any]]:
        if route.query is None:
            return []
        schema = self._components[route.query.__name__]
        required = schema.get("required", ())
        found = cast("dict[str, dict[str, Any]]", schema["properties"]).items()
        return [
            {"name": name, "in": "query", "required": name in required, "schema": _as_given(kind)}
            for name, kind in found
        ]

    def _responses(self, route: Route) -> dict[str, Any]:
        if route.answer is Plain:
            content: dict[str, Any] = {"text/plain": {"schema": {"type": "string"}}}
        else:
            content = _json(self._of(route.answer))
        made: dict[str, Any] = {str(route.status): {"description": "As asked.", "content": content}}
        refused = {"content": _json({"$ref": _REF.format(name=ErrorAnswer.__name__)})}
        for status, said in _ERRORS.items():
            made[str(status)] = {"description": said} | refused
        return made

    def _of(self, kind: Any) -> Any:
        return self._schemas[_mark(kind)]


def _kinds(route: Route) -> list[Any]:
    given = [*route.places.values(), route.query, route.body]
    answer = [] if route.answer is Plain else [route.answer]
    return [kind for kind in given if kind is not None] + answer


def _mark(kind: Any) -> str:
    return repr(kind)


def _as_given(schema: dict[str, Any]) -> dict[str, Any]:
    """A query parameter's schema: what is not given is left out, so nobody writes null there."""
    if "anyOf" not in schema:
        return {name: value for name, value in schema.items() if name != "default" or value is not None}
    kinds = [kind for kind in schema["anyOf"] if kind != {"type": "null"}]
    return kinds[0] if len(kinds) == 1 else {"anyOf": kinds}


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
