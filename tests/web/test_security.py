"""Nobody gets in by a foreign name, from a foreign page, without a token, or without meaning to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.web.asking import TOKEN
from windlass import Windlass
from windlass.errors import ConfigError
from windlass.testing import ManualClock
from windlass.web.app import Dashboard, dashboard, route_table
from windlass.web.routing import Route
from windlass.web.security import CSRF_HEADER
from windlass.web.sessions import Sessions, Visitor, kept_token

HOST = "127.0.0.1:8753"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY")
BESIDE = (
    "/",
    "/jobs/7",
    "/app.js",
    "/api",
    "/api/nothing",
    "/api/events",
    "/api/openapi.json",
    "/nothing.txt",
    "//",
)


def routes() -> list[Route]:
    return route_table().routes


def asked(*more: str) -> Iterator[tuple[str, str]]:
    """Every method of a path of every route, and of what is no route of the table."""
    made = {path_of(route) for route in routes()}
    for path in sorted(made.union(BESIDE, more)):
        for method in METHODS:
            yield method, path


def actions() -> list[Route]:
    return [route for route in routes() if route.method != "GET"]


def path_of(route: Route) -> str:
    return re.sub(r"\{\w+\}", "7", route.path)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Windlass]:
    app = Windlass(tmp_path / "app.db")
    yield app
    app.close()


@pytest.fixture
def site(app: Windlass) -> Dashboard:
    return dashboard(app, token=TOKEN, allowed_hosts=[HOST])


@pytest.fixture
def client(site: Dashboard) -> Iterator[TestClient]:
    with TestClient(site, base_url=f"http://{HOST}", follow_redirects=False) as client:
        yield client


def enter(client: TestClient, site: Dashboard) -> str:
    """A browser that has come in by its link; what its page sends with actions."""
    assert client.get("/" + site.entry()).status_code == 303
    told = client.get("/api/session")
    assert told.status_code == 200
    return str(told.json()["csrf"])


def changed(app: Windlass) -> object:
    """Everything that an action could leave behind."""
    return app.jobs.list(), app.queues.list(), app.schedules.list(), app.audit.list().entries


# ── the token ────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.slow
def test_nothing_is_told_without_a_token(client: TestClient, app: Windlass) -> None:
    found = {(method, path): client.request(method, path).status_code for method, path in asked()}

    assert {one: status for one, status in found.items() if status != 401} == {}
    assert changed(app) == ([], [], [], [])


def test_no_other_token_will_do(client: TestClient) -> None:
    for given in ("", "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}"):
        assert client.get("/api/session", headers={"Authorization": given}).status_code == 401


def test_a_token_comes_in_no_address(client: TestClient) -> None:
    assert client.get(f"/api/session?token={TOKEN}").status_code == 401
    assert client.get(f"/enter?token={TOKEN}").headers.get("set-cookie") is None


def test_who_checks_that_it_lives_needs_none(client: TestClient) -> None:
    assert client.get("/livez").status_code == 200
    assert client.post("/livez").status_code == 401


def test_a_short_token_is_refused(app: Windlass) -> None:
    with pytest.raises(ConfigError, match="at least 32 characters"):
        dashboard(app, token="secret")


def test_a_token_is_kept_beside_the_database_for_its_owner_alone(app: Windlass, tmp_path: Path) -> None:
    app.store.counts()
    token = kept_token(app.settings.database)
    path = tmp_path / "app.db-windlass" / "dashboard.token"

    assert kept_token(app.settings.database) == token
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="others may read"):
        kept_token(app.settings.database)


# ── names and pages ──────────────────────────────────────────────────────────────────────────────
@pytest.mark.slow
def test_a_foreign_name_is_refused_before_anything_else(client: TestClient, app: Windlass) -> None:
    sent = BEARER | {"Host": "evil.example"}
    grid = asked("/livez", "/enter")
    found = {one: client.request(*one, headers=sent).status_code for one in grid}

    assert {one: status for one, status in found.items() if status != 403} == {}
    assert changed(app) == ([], [], [], [])


def test_a_name_is_ours_to_the_letter(client: TestClient) -> None:
    near = ["", "127.0.0.1", "127.0.0.1:8754", f"{HOST}.evil.example", "evil.example:8753", f"{HOST} "]
    for host in [*near, f"{HOST}@evil.example", "localhost:8753", "[::1]:8753", "0:8753"]:
        assert client.get("/api/session", headers=BEARER | {"Host": host}).status_code == 403, host


def test_a_name_without_a_port_is_for_any_port(app: Windlass) -> None:
    site = dashboard(app, token=TOKEN, allowed_hosts=["Ops.example.com", "[::1]"])
    with TestClient(site, headers=BEARER) as client:
        for host in ("ops.example.com", "OPS.example.com:8443", "[::1]:80", "[::1]"):
            assert client.get("/api/session", headers={"Host": host}).status_code == 200
        assert client.get("/api/session", headers={"Host": "example.com"}).status_code == 403


@pytest.mark.parametrize("host", ["", "*", "*.example.com", "https://ops.example.com", "a/b"])
def test_patterns_are_no_names(app: Windlass, host: str) -> None:
    with pytest.raises(ConfigError, match="allowed_hosts"):
        dashboard(app, token=TOKEN, allowed_hosts=[host])


@pytest.mark.slow
def test_a_foreign_page_is_refused(client: TestClient, app: Windlass) -> None:
    signs = ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"})
    for sign in signs:
        found = {one: client.request(*one, headers=BEARER | sign).status_code for one in asked("/enter")}
        assert {one: status for one, status in found.items() if status != 403} == {}
    assert changed(app) == ([], [], [], [])


def test_an_origin_is_ours_to_the_letter(client: TestClient) -> None:
    near = [
        "null",
        "",
        "http://127.0.0.1:8754",
        "http://127.0.0.1",
        f"http://{HOST}.evil.example",
        "http://[",
    ]
    for origin in [*near, f"ftp://{HOST}", f"http://ann@{HOST}", f"evil://{HOST}"]:
        assert client.get("/api/session", headers=BEARER | {"Origin": origin}).status_code == 403, origin


def test_our_own_page_may_ask(client: TestClient) -> None:
    told = client.get(
        "/api/session", headers=BEARER | {"Origin": f"http://{HOST}", "Sec-Fetch-Site": "same-origin"}
    )

    assert told.status_code == 200
    assert "access-control-allow-origin" not in told.headers


# ── sessions ─────────────────────────────────────────────────────────────────────────────────────
def test_a_link_works_once(client: TestClient, site: Dashboard) -> None:
    link = "/" + site.entry()

    first = client.get(link)
    client.cookies.clear()
    second = client.get(link)

    assert (first.status_code, second.status_code) == (303, 401)
    cookie = first.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert second.headers.get("set-cookie") is None
    assert TOKEN not in cookie + link


def test_a_link_is_for_five_minutes() -> None:
    clock = ManualClock()
    sessions = Sessions(TOKEN, clock=clock)
    late, soon = sessions.code(), sessions.code()

    clock.advance(299)
    assert sessions.enter(soon) is not None
    clock.advance(2)
    assert sessions.enter(late) is None


def test_a_session_ends_after_a_week() -> None:
    clock = ManualClock()
    sessions = Sessions(TOKEN, clock=clock)
    cookie = sessions.enter(TOKEN)
    assert cookie is not None

    clock.advance("6d 23h")
    assert sessions.read(cookie) is not None
    clock.advance("2h")
    assert sessions.read(cookie) is None


def test_a_session_outlives_the_server_but_not_its_token() -> None:
    cookie = Sessions(TOKEN).enter(TOKEN, who="ann")
    assert cookie is not None

    again = Sessions(TOKEN).read(cookie)

    assert again is not None
    assert again.who == "ann"
    assert Sessions("u" * 43).read(cookie) is None


@pytest.mark.parametrize("forged", ["", ".", "x", "9999999999.a.b.c", "..", "9999999999.a.YWRtaW4.é"])
def test_a_forged_cookie_is_none(forged: str) -> None:
    assert Sessions(TOKEN).read(forged) is None
    assert Sessions(TOKEN).enter(forged) is None


def test_a_code_is_no_cookie_and_a_cookie_no_code() -> None:
    sessions = Sessions(TOKEN)
    cookie = sessions.enter(TOKEN)
    assert cookie is not None

    assert sessions.enter(cookie) is None
    assert sessions.read(sessions.code()) is None


def test_who_has_the_token_can_enter_it(client: TestClient) -> None:
    wrong = client.post("/enter", data={"token": "t" * 44})
    right = client.post("/enter", data={"token": TOKEN})

    assert wrong.status_code == 401
    assert "form-action 'self'" in wrong.headers["content-security-policy"]
    assert right.status_code == 303
    assert client.get("/api/session").status_code == 200


# ── CSRF and roles ───────────────────────────────────────────────────────────────────────────────
def test_a_cookie_alone_changes_nothing(client: TestClient, site: Dashboard, app: Windlass) -> None:
    csrf = enter(client, site)

    for route in actions():
        for given in ({}, {CSRF_HEADER: ""}, {CSRF_HEADER: csrf[:-1] + "x"}, {CSRF_HEADER: "é"}):
            sent = {name.encode(): value.encode() for name, value in given.items()}
            told = client.request(route.method, path_of(route), headers=sent, json={})
            assert (told.status_code, told.json()["error"]["code"]) == (403, "csrf"), route.name
    assert changed(app) == ([], [], [], [])


def test_a_page_that_has_asked_for_its_csrf_may_act(
    client: TestClient, site: Dashboard, app: Windlass
) -> None:
    csrf = enter(client, site)

    told = client.post("/api/queues/mail/pause", headers={CSRF_HEADER: csrf})

    assert told.status_code == 200
    assert app.queues.list()[0].paused


def test_one_session_has_not_the_csrf_of_another(client: TestClient, site: Dashboard) -> None:
    first = enter(client, site)
    client.cookies.clear()
    second = enter(client, site)

    assert first != second
    assert client.post("/api/queues/mail/pause", headers={CSRF_HEADER: first}).status_code == 403


def test_who_only_looks_on_changes_nothing(app: Windlass) -> None:
    site = dashboard(app, token=TOKEN, allowed_hosts=[HOST], read_only=True)
    with TestClient(site, base_url=f"http://{HOST}", headers=BEARER) as client:
        for route in actions():
            told = client.request(route.method, path_of(route), json={})
            assert (told.status_code, told.json()["error"]["code"]) == (403, "read_only"), route.name
        assert client.get("/api/session").json()["read_only"]
    assert changed(app) == ([], [], [], [])


def test_the_surrounding_program_may_say_who_asks(app: Windlass) -> None:
    def who(request: object) -> Visitor | None:
        name = request.headers.get("x-user")  # type: ignore[attr-defined]
        return None if name is None else Visitor(who=name, read_only=name != "ann")

    site = dashboard(app, authorize=who, allowed_hosts=[HOST])
    with TestClient(site, base_url=f"http://{HOST}") as client:
        assert client.get("/api/session").status_code == 401
        told = client.get("/api/session", headers={"X-User": "ann"}).json()
        assert (told["who"], told["read_only"]) == ("ann", False)
        bob = client.get("/api/session", headers={"X-User": "bob"}).json()
        assert bob["read_only"]

        path = "/api/queues/mail/pause"
        assert client.post(path, headers={"X-User": "ann"}).status_code == 403
        assert client.post(path, headers={"X-User": "ann", CSRF_HEADER: bob["csrf"]}).status_code == 403
        assert client.post(path, headers={"X-User": "bob", CSRF_HEADER: bob["csrf"]}).status_code == 403
        assert client.post(path, headers={"X-User": "ann", CSRF_HEADER: told["csrf"]}).status_code == 200
    assert [entry.who for entry in app.audit.list().entries] == ["ann"]


async def _nobody(_request: object) -> Visitor | None:
    return None


def test_it_may_take_its_time_to_say_so(app: Windlass) -> None:
    with TestClient(
        dashboard(app, authorize=_nobody, allowed_hosts=[HOST]), base_url=f"http://{HOST}"
    ) as client:
        assert client.get("/api/session").status_code == 401


# ── what holds the browser ───────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("path", ["/", "/jobs", "/api/session", "/api/nothing", "/livez", "/enter"])
def test_every_answer_holds_the_browser_to_it(client: TestClient, path: str) -> None:
    for sent in ({}, BEARER):
        told = client.get(path, headers=sent | {"Accept": "text/html"}).headers
        policy = told["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert told["x-content-type-options"] == "nosniff"
        assert told["referrer-policy"] == "no-referrer"
        assert "no-store" in told["cache-control"] or "no-cache" in told["cache-control"]


def test_an_action_is_in_the_audit_log_however_it_ended(client: TestClient, app: Windlass) -> None:
    app.enqueue("send", {"to": "ann"})

    client.post("/api/jobs/1/cancel", headers=BEARER)
    client.post("/api/jobs/7/cancel", headers=BEARER)
    client.post("/api/jobs", headers=BEARER, json={"key": "send", "payload": {"password": "hunter2"}})

    told = client.get("/api/audit", headers=BEARER).json()["entries"]
    assert [(one["action"], one["subject"], one["outcome"]) for one in told] == [
        ("jobs.enqueue", None, "ok"), ("jobs.cancel", "7", "no_such_job"), ("jobs.cancel", "1", "ok")
    ]  # fmt: skip
    assert told[0]["details"]["payload"] == {"password": "[redacted]"}
    assert "hunter2" not in str(app.audit.list())
