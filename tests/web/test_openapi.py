"""The API's document says what the API does, and the front end's types say what the document does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.snippets import ROOT
from tests.web import fuzz
from tests.web.asking import TOKEN
from windlass import Windlass
from windlass.web.app import dashboard, route_table
from windlass.web.openapi import document
from windlass.web.routing import Call, Routes, RouteTable, split_path
from windlass.web.typescript import typescript


def test_every_route_is_in_the_document() -> None:
    routes = route_table().routes
    told = document(routes)

    named = {(method.upper(), path) for path, methods in told["paths"].items() for method in methods}
    assert named == {(route.method, route.path) for route in routes}
    assert len({route.name for route in routes}) == len(routes)
    for route in routes:
        operation = told["paths"][route.path][route.method.lower()]
        assert operation["summary"].endswith("."), route.name
        places = [one["name"] for one in operation["parameters"] if one["in"] == "path"]
        assert places == re.findall(r"\{(\w+)\}", route.path)


def test_every_action_is_audited() -> None:
    assert [
        route.name for route in route_table().routes if (route.method != "GET") != bool(route.action)
    ] == []


def test_the_document_is_given_to_who_may_ask(tmp_path: Path) -> None:
    app = Windlass(tmp_path / "app.db")
    with TestClient(dashboard(app, token=TOKEN, allowed_hosts=["testserver"])) as client:
        assert client.get("/api/openapi.json").status_code == 401
        told = client.get("/api/openapi.json", headers={"Authorization": f"Bearer {TOKEN}"}).json()
    app.close()

    assert told["openapi"].startswith("3.1")
    assert "JobDetail" in told["components"]["schemas"]


def test_the_front_end_is_checked_by_the_present_types() -> None:
    written = (ROOT / "frontend" / "src" / "api.ts").read_text(encoding="utf-8")

    assert written == typescript(document(route_table().routes)), (
        "run python -m windlass.web.typescript frontend/src/api.ts"
    )


@pytest.mark.slow
def test_requests_made_from_the_document_find_no_fault() -> None:
    with fuzz.serving() as site:
        report = fuzz.fuzz(site, requests=400)

    assert report.requests >= 400
    assert report.without_token == report.requests
    assert max(report.statuses) < 500
    assert report.statuses[200] > 50


# ── the table of routes ──────────────────────────────────────────────────────────────────────────
def test_a_word_wins_over_a_parameter() -> None:
    routes = Routes("things")

    @routes.get("/api/things/{name}")
    def show(call: Call, name: str) -> dict[str, str]:
        """Shows."""
        return {"name": name}

    @routes.get("/api/things/all")
    def every(call: Call) -> dict[str, str]:
        """All."""
        return {}

    found = RouteTable([routes]).find(split_path("/api/things/all"))["GET"]
    assert (found[0].name, found[1]) == ("things.every", {})
    found = RouteTable([routes]).find(split_path("/api/things/a%2Fb"))["GET"]
    assert (found[0].name, found[1]) == ("things.show", {"name": "a/b"})


def test_two_routes_of_one_path_are_a_mistake() -> None:
    routes = Routes("things")

    @routes.get("/api/things/{name}")
    def one(call: Call, name: str) -> None: ...

    @routes.get("/api/things/{number}")
    def two(call: Call, number: int) -> None: ...

    with pytest.raises(ValueError, match="two routes"):
        RouteTable([routes])


def test_a_signature_that_does_not_fit_its_path_is_a_mistake() -> None:
    routes = Routes("things")

    def lacking(call: Call) -> None: ...

    def other(call: Call, thing: str) -> None: ...

    for wrong in (lacking, other):
        with pytest.raises(TypeError, match="name"):
            routes.get("/api/things/{name}")(wrong)
