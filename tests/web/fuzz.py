"""``python -m tests.web.fuzz``: thousands of requests, made by schemathesis from the API's OpenAPI document.

Each operation gets valid and broken requests until all together are as many as asked for. Nothing may be a
server error, nothing may answer well without a token, and what answers well must answer as the document says.

    python -m tests.web.fuzz --requests 50000 --seed 1
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

from windlass import Windlass
from windlass.web.app import Dashboard, dashboard

TOKEN = "f" * 43
BEARER = {"Authorization": f"Bearer {TOKEN}"}
NEVER = frozenset({"/api/service/start", "/api/service/restart", "/api/storage/backup", "/readyz"})
"""What starts processes or fills the disk is not done thousands of times; and where nothing runs, 503 is what
``/readyz`` has to say."""
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


class Report(NamedTuple):
    """What was asked and how it was answered."""

    requests: int
    operations: int
    statuses: Counter[int]
    without_token: int
    """How many of them were asked once more, without the token, and refused."""


def populated(folder: Path) -> Windlass:
    """An app with some of everything, so that requests find something."""
    app = Windlass(folder / "app.db")

    @app.job(title="Send", tags=["mail"])
    def send(to: str, copies: int = 1) -> None: ...

    @app.periodic(every="1h")
    def hourly() -> None: ...

    app.enqueue_many("send", [{"to": f"<script>alert({number})</script>"} for number in range(50)])
    app.enqueue("unknown", {"password": "hunter2"}, delay="1h", tags=["<img src=x>"], unique="one")
    app.enqueue("send", {"to": "bob"}, after=[1, 2])
    app.jobs.cancel([3, 4])
    app.queues.limit("default", 4, rate="50/s")
    app.schedules.put_declared()
    return app


def fuzz(
    site: Dashboard, requests: int, start: int = 0, tell: Callable[[str], None] = lambda line: None
) -> Report:
    """So many requests, at least one for each operation; raises on the first that is answered wrongly."""
    statuses: Counter[int] = Counter()
    refused = 0
    with TestClient(site, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        schema = schemathesis.openapi.from_dict(client.get("/api/openapi.json", headers=BEARER).json())
        schema.config.generation.modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
        operations = [one.ok() for one in schema.get_all_operations()]
        operations = [one for one in operations if one.path not in NEVER]
        each = -(-requests // len(operations))
        for operation in operations:
            refused += _one(client, operation, each, start, statuses)
            tell(f"{sum(statuses.values()):,} after {operation.method.upper()} {operation.path}")
    return Report(sum(statuses.values()), len(operations), statuses, refused)


def _one(client: TestClient, operation: Any, times: int, start: int, statuses: Counter[int]) -> int:
    refused = 0

    @seed(start)
    @settings(
        max_examples=times, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        nonlocal refused
        sent = case.as_transport_kwargs(base_url="http://127.0.0.1")
        asked = _asked(sent)
        answer = client.request(**asked, headers=_clean(asked_headers(sent)) | BEARER)
        statuses[answer.status_code] += 1
        case.validate_response(schemathesis.Response.from_any(answer), checks=CHECKS)
        stranger = client.request(**asked, headers=_clean(asked_headers(sent)))
        assert stranger.status_code in (400, 401, 403), (
            case.method,
            case.formatted_path,
            stranger.status_code,
        )
        refused += 1

    ask()
    return refused


def _asked(sent: dict[str, Any]) -> dict[str, Any]:
    names = {"method": "method", "url": "url", "params": "params", "json": "json", "data": "content"}
    return {new: sent[old] for old, new in names.items() if sent.get(old) is not None}


def asked_headers(sent: dict[str, Any]) -> dict[str, str]:
    """The headers that the request was made with."""
    return {str(name): str(value) for name, value in (sent.get("headers") or {}).items()}


def _clean(headers: dict[str, str]) -> dict[str, str]:
    # The place and the person are chosen here; that wrong ones are refused has tests of its own.
    ours = {"authorization", "host", "origin", "cookie", "sec-fetch-site"}
    return {name: value for name, value in headers.items() if name.lower() not in ours}


@contextmanager
def serving() -> Iterator[Dashboard]:
    """The dashboard of such an app."""
    with tempfile.TemporaryDirectory() as folder:
        app = populated(Path(folder))
        try:
            yield dashboard(app, token=TOKEN)
        finally:
            app.close()


def main(arguments: list[str]) -> None:
    """Runs it and prints what was seen."""
    parser = argparse.ArgumentParser(prog="python -m tests.web.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    with serving() as site:
        report = fuzz(site, chosen.requests, chosen.seed, lambda line: print(line, flush=True))
    told = ", ".join(f"{status}: {count:,}" for status, count in sorted(report.statuses.items()))
    print(f"{report.requests:,} requests to {report.operations} operations: {told}")
    print(f"{report.without_token:,} asked again without a token, none answered")


if __name__ == "__main__":
    main(sys.argv[1:])
