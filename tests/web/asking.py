"""A program that asks the dashboard's API, as one with the token does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from starlette.testclient import TestClient

from windlass import Windlass
from windlass.web.app import dashboard

TOKEN = "t" * 43


class Program:
    """Requests of JSON, and what came of them."""

    def __init__(self, client: TestClient) -> None:
        self.client = client

    def get(self, path: str, **query: Any) -> Any:
        """The answer, where there is one."""
        return self._told(self.client.get(f"/api/{path}", params=query), 200)

    def do(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        """The answer of an action, or the error where ``status`` is one."""
        sent = {} if body is None else {"json": body}
        return self._told(self.client.request(method, f"/api/{path}", **sent), status)

    def post(self, path: str, body: Any = None, *, status: int = 200) -> Any:
        """``do`` with POST."""
        return self.do("POST", path, body, status=status)

    def refused(self, path: str, status: int) -> Any:
        """The error of a GET."""
        return self._told(self.client.get(f"/api/{path}"), status)

    @staticmethod
    def _told(response: Any, status: int) -> Any:
        told = response.json()
        assert response.status_code == status, told
        return told["error"] if status >= 400 else told


@contextmanager
def asking(app: Windlass, **options: Any) -> Iterator[Program]:
    """A program with the token of that app's dashboard."""
    site = dashboard(app, token=TOKEN, allowed_hosts=["testserver"], **options)
    with TestClient(site, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        yield Program(client)


def named(name: str) -> str:
    """A name as a part of a path."""
    return quote(name, safe="")
