"""The dashboard inside other programs: at any path, with the pages finding their way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastapi
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from tests.web.asking import TOKEN
from windlass import Windlass
from windlass.web.app import dashboard, place_of
from windlass.web.assets import Assets

BEARER = {"Authorization": f"Bearer {TOKEN}"}
INDEX = (
    '<!doctype html><html><head><base href="/"><link rel="stylesheet" href="app.css"></head>'
    '<body><script type="module" src="app.js"></script><a href="https://example.com/app.js">x</a></body></html>'
)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Windlass]:
    app = Windlass(tmp_path / "app.db")
    yield app
    app.close()


@pytest.fixture
def site(app: Windlass, tmp_path: Path) -> Any:
    folder = tmp_path / "assets"
    folder.mkdir()
    for name, text in {"index.html": INDEX, "app.js": "1", "app.css": "a{}"}.items():
        (folder / name).write_text(text, encoding="utf-8")
    site = dashboard(app, token=TOKEN, allowed_hosts=["testserver"])
    site.assets = Assets(folder)
    return site


def in_starlette(site: Any) -> Any:
    return Starlette(routes=[Mount("/ops/jobs", app=site)])


def in_fastapi(site: Any) -> Any:
    outer = fastapi.FastAPI()
    outer.mount("/ops/jobs", site)
    return outer


def by_hand(site: Any) -> Any:
    """As a Django project does in its asgi.py."""

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan" or scope["path"].startswith("/ops/jobs"):
            await site(scope | {"root_path": "/ops/jobs"}, receive, send)

    return outer


@pytest.mark.parametrize("mount", [in_starlette, in_fastapi, by_hand])
def test_it_can_be_mounted_at_any_path(app: Windlass, site: Any, mount: Any) -> None:
    app.queues.pause("mail/eu")
    with TestClient(mount(site), follow_redirects=False) as client:
        assert client.get("/ops/jobs/api/session").status_code == 401
        assert client.get("/ops/jobs/livez").status_code == 200

        entered = client.get("/ops/jobs/" + site.entry())
        assert entered.headers["location"] == "/ops/jobs/"
        assert "Path=/ops/jobs;" in entered.headers["set-cookie"]

        csrf = client.get("/ops/jobs/api/session").json()["csrf"]
        path = "/ops/jobs/api/queues/mail%2Feu/resume"
        assert client.post(path, headers={"X-Windlass-CSRF": csrf}).json()["paused"] is False

        for inside in ("/ops/jobs/", "/ops/jobs/jobs/7", "/ops/jobs/schedules/daily.report"):
            shown = client.get(inside, headers={"Accept": "text/html"})
            assert shown.status_code == 200
            assert '<base href="/ops/jobs/">' in shown.text
        script = re.search(r'src="(app\.js\?v=\w+)"', shown.text)
        assert script is not None
        assert client.get(f"/ops/jobs/{script[1]}").text == "1"
        told = client.get("/ops/jobs/api/openapi.json").json()
        assert told["servers"] == [{"url": "/ops/jobs"}]


def test_files_are_kept_for_ever_under_their_mark_alone(site: Any) -> None:
    with TestClient(site, headers=BEARER) as client:
        index = client.get("/", headers={"Accept": "text/html"})
        mark = re.search(r'href="app\.css\?v=(\w+)"', index.text)
        assert mark is not None
        kept = client.get(f"/app.css?v={mark[1]}")
        assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert kept.headers["content-type"] == "text/css; charset=utf-8"
        assert client.get("/app.css?v=old").headers["cache-control"] == "no-cache"
        again = client.get("/app.css", headers={"If-None-Match": kept.headers["etag"]})
        assert again.status_code == 304
        assert 'href="https://example.com/app.js"' in index.text
        assert index.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path", ["/favicon.ico", "/../app.py", "/%2e%2e/app.py", "/assets/../../app.py", "/index.html"]
)
def test_nothing_but_what_was_built_is_given(site: Any, path: str) -> None:
    with TestClient(site, headers=BEARER) as client:
        assert client.get(path, headers={"Accept": "*/*"}).status_code == 404


def test_it_says_so_where_the_pages_were_not_built(site: Any, tmp_path: Path) -> None:
    site.assets = Assets(tmp_path / "nothing")
    with TestClient(site, headers=BEARER) as client:
        told = client.get("/", headers={"Accept": "text/html"})
        assert told.status_code == 503
        assert "python3 dev.py setup" in told.text
        assert client.get("/api/session").status_code == 200


@pytest.mark.parametrize(
    ("scope", "place"),
    [
        ({"path": "/api/jobs", "raw_path": b"/api/jobs"}, ("/", ("api", "jobs"))),
        ({"path": "/x/api", "raw_path": b"/x/api", "root_path": "/x"}, ("/x/", ("api",))),
        ({"path": "/api", "raw_path": b"/api", "root_path": "/x"}, ("/x/", ("api",))),
        ({"path": "/x", "raw_path": b"/x", "root_path": "/x/"}, ("/x/", ("",))),
        ({"path": "/xy/api", "raw_path": b"/xy/api", "root_path": "/x"}, ("/x/", ("xy", "api"))),
        ({"path": "/q/a/b", "raw_path": b"/q/a%2Fb?c=/d"}, ("/", ("q", "a/b"))),
        (
            {"path": "/ü x/api", "raw_path": b"/%C3%BC%20x/api", "root_path": "/ü x"},
            ("/%C3%BC%20x/", ("api",)),
        ),
        ({"path": "/api/a b"}, ("/", ("api", "a b"))),
    ],
    ids=[
        "root",
        "told twice",
        "told once",
        "itself",
        "another",
        "slash in a name",
        "not ASCII",
        "no raw path",
    ],
)
def test_where_it_is_mounted(scope: dict[str, Any], place: tuple[str, tuple[str, ...]]) -> None:
    assert place_of(scope) == place
