"""Another program, with pages of its own and the dashboard below ``/ops/jobs``.

Run as ``python -m tests.browser.mounted PORT TOKEN``; it serves the app of ``program``.
"""

from __future__ import annotations

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from tests.browser.program import app
from windlass.web.app import dashboard


def front(_: Request) -> PlainTextResponse:
    return PlainTextResponse("a harbour of its own")


def main(port: int, token: str) -> None:
    """Serves until it is ended."""
    pages = dashboard(app, token=token, allowed_hosts=[f"127.0.0.1:{port}"])
    site = Starlette(routes=[Route("/", front), Mount("/ops/jobs", app=pages)])
    print(pages.entry(), flush=True)
    uvicorn.run(site, host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=2)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
