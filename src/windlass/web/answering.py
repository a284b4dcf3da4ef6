"""From a request that may pass to its answer: parameters, a call in a thread, JSON, errors, the audit log."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import Any

import msgspec
from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response

from windlass import errors
from windlass.redact import clean
from windlass.web.redacting import shown
from windlass.web.routing import Call, Plain, Problem, Route
from windlass.web.security import headers

log = logging.getLogger("windlass.web")

BODY_MOST = 3 << 20
"""Bytes: a payload of one MiB, escaped, with room for what is beside it."""
THREADS = 8

_CODES: dict[type[BaseException], tuple[int, str]] = {
    errors.InvalidPayload: (422, "payload"),
    errors.InvalidJob: (422, "invalid"),
    errors.ConfigError: (422, "config"),
    errors.RegistrationError: (409, "registration"),
    errors.OutcomeUnknown: (503, "outcome_unknown"),
    errors.StoreUnavailable: (503, "unavailable"),
    errors.StoreError: (503, "store"),
    errors.AlreadyRunning: (409, "already_running"),
    errors.NotRunning: (409, "not_running"),
    errors.StartFailed: (409, "start_failed"),
    errors.ResourceBusy: (409, "busy"),
    errors.WindlassError: (409, "refused"),
}


class Answerer:
    """Calls the routes' functions: at most so many at a time, each in a thread."""

    def __init__(self) -> None:
        self._limiter: CapacityLimiter | None = None

    async def answer(self, request: Request, route: Route, places: Mapping[str, str], call: Call) -> Response:
        """The answer of a route; every error becomes one, too."""
        if self._limiter is None:
            self._limiter = CapacityLimiter(THREADS)
        try:
            given = read_places(route, places) | read_query(route, request)
            body = await read_body(route, request)
        except Problem as problem:
            return error_response(problem)
        if route.body is not None:
            given["body"] = body
        return await to_thread.run_sync(
            _answer, route, call, given, request.headers.get("if-none-match"), limiter=self._limiter
        )


def _answer(route: Route, call: Call, given: dict[str, Any], seen: str | None) -> Response:
    outcome = "ok"
    try:
        made = route.function(call, **given)
        return respond(made, status=route.status, seen=seen if route.method == "GET" else None)
    except Exception as error:  # noqa: BLE001 - whatever it is, whoever asks is told, and the log has it
        problem = problem_of(error, route)
        outcome = problem.code
        return error_response(problem)
    finally:
        if route.action is not None:
            _record(call, route.action, given, outcome)


def read_places(route: Route, places: Mapping[str, str]) -> dict[str, Any]:
    """The path's parameters as what they are."""
    return {
        name: _converted(places[name], kind, f"in the path, {name}") for name, kind in route.places.items()
    }


def read_query(route: Route, request: Request) -> dict[str, Any]:
    """The query's parameters as its struct; one that is given empty is not given."""
    if route.query is None:
        return {}
    given = {name: value for name, value in request.query_params.items() if value}
    return {"query": _converted(given, route.query, "in the query")}


async def read_body(route: Route, request: Request) -> Any:
    """The JSON body as its struct; None where the route takes none.

    Raises:
        Problem: too large, not JSON, or not as it should be.
    """
    if route.body is None:
        return None
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem(
            415, "media_type", f"expected a body of application/json, got {kind or 'nothing'!r:.80}"
        )
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > BODY_MOST:
            raise Problem(413, "too_large", f"expected a body of at most {BODY_MOST:,} bytes, got more")
    try:
        return msgspec.json.decode(bytes(data), type=route.body)
    except msgspec.ValidationError as error:
        raise Problem(422, "invalid", f"in the body: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(400, "json", f"the body is no JSON: {error}") from error
    except RecursionError as error:
        raise Problem(422, "invalid", "in the body: too many levels lie within each other") from error


def respond(made: Any, *, status: int = 200, seen: str | None = None) -> Response:
    """What a function returned, as a response; nothing but its mark where ``seen`` is that already."""
    if isinstance(made, Plain):
        return Response(made.content, made.status, headers(), made.media_type)
    data = msgspec.json.encode(made)
    if status != 200:
        return Response(data, status, headers(), "application/json")
    mark = f'"{hashlib.blake2b(data, digest_size=12).hexdigest()}"'
    # To keep it and to ask each time whether it still holds.
    told = headers() | {"ETag": mark, "Cache-Control": "private, no-cache"}
    if seen is not None and mark in seen:
        return Response(None, 304, told)
    return Response(data, 200, told, "application/json")


def error_response(problem: Problem) -> Response:
    """``{"error": {"code", "message", "way_out"}}``, without secrets."""
    told = {
        "code": problem.code,
        "message": clean(problem.message),
        "way_out": None if problem.way_out is None else clean(problem.way_out),
    }
    more = {"WWW-Authenticate": 'Bearer realm="windlass"'} if problem.status == 401 else {}
    if problem.status == 503:
        more["Retry-After"] = "1"
    return Response(
        msgspec.json.encode({"error": told}), problem.status, headers() | more, "application/json"
    )


def problem_of(error: Exception, route: Route) -> Problem:
    """The answer that an error becomes."""
    if isinstance(error, Problem):
        return error
    for kind in type(error).__mro__:
        if kind in _CODES:
            status, code = _CODES[kind]
            return Problem(status, code, str(error))
    log.error("%s failed", route.name, exc_info=error)
    return Problem(
        500, "internal", f"{route.name} failed: {type(error).__name__}", way_out="the log says why"
    )


def _converted(value: Any, kind: Any, where: str) -> Any:
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Problem(422, "invalid", f"{where}: {error}") from error


def _record(call: Call, action: str, given: dict[str, Any], outcome: str) -> None:
    if getattr(given.get("body"), "preview", False):
        return  # it was only asked what would be done
    details = {name: shown(msgspec.to_builtins(value)) for name, value in given.items()}
    body = details.pop("body", None)
    subject = next((str(value) for value in details.values()), None)
    try:
        call.app.audit.record(
            who=call.visitor.who, action=action, subject=subject, details=body, outcome=outcome
        )
    except errors.StoreError as error:
        # What was done is done, and said to be: a log that is full must not make it look otherwise.
        log.warning(
            "%s %s %s (%s) is not in the audit log: %s", call.visitor.who, action, subject, outcome, error
        )
