"""The webhook: signed as Standard Webhooks says, delivered by a durable job, whatever the receiver does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from windlass import JobFailed, PermanentError, SyncFailed, WebhookChannel, Windlass
from windlass.errors import ConfigError
from windlass.notify.webhook import KEY
from windlass.sync import env
from windlass.testing import ManualClock, drain

SECRET = b"0123456789abcdef0123456789abcdef"
WRITTEN = f"whsec_{base64.b64encode(SECRET).decode()}"
REJECTED = SyncFailed("notes", 7, "title must not be empty")


class Receiver(ThreadingHTTPServer):
    """Verifies what it gets as the convention says, and answers what the test wants."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.requests: list[dict[str, str]] = []
        self.accepted: list[Any] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hook?for=notes"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.requests.append({**{name.lower(): value for name, value in self.headers.items()},
                                     "path": self.path})  # fmt: skip
        signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
        status, headers = self.server.answers.pop(0) if self.server.answers else (200, {})
        if f"v1,{expected}" not in self.headers["webhook-signature"].split():
            status = 401
        elif status == 200:
            self.server.accepted.append(json.loads(body))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def app(
    database_url: str, clock: ManualClock, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Windlass]:
    monkeypatch.setenv("WINDLASS_WEBHOOK_SECRET", WRITTEN)
    made = Windlass(database_url, clock=clock, notify_webhook=receiver.url)
    yield made
    made.close()


def deliver(app: Windlass, clock: ManualClock, rounds: int = 1) -> None:
    for _ in range(rounds):
        drain(app)
        clock.advance("2h")


def test_two_failures_of_the_receiver_lose_nothing_and_the_id_stays(
    app: Windlass, clock: ManualClock, receiver: Receiver
) -> None:
    receiver.answers = [(500, {}), (500, {})]
    app.notifier.tell(REJECTED, subject="dead:notes:7")
    assert receiver.requests == [], "nothing is sent where it is told"
    deliver(app, clock, rounds=3)
    assert receiver.accepted == [
        {
            "type": "sync.failed",
            "text": "notes 7: the change was not accepted: title must not be empty",
            "data": {"resource": "notes", "key": 7, "reason": "title must not be empty"},
        }
    ]
    assert len(receiver.requests) == 3
    assert len({request["webhook-id"] for request in receiver.requests}) == 1
    assert len({request["webhook-timestamp"] for request in receiver.requests}) == 3
    assert {request["path"] for request in receiver.requests} == {"/hook?for=notes"}
    (job,) = app.jobs.list(key=KEY)
    assert (job.status, job.result) == ("COMPLETED", 200)


def test_an_outage_of_hours_ends_in_one_delivery(
    app: Windlass, clock: ManualClock, receiver: Receiver
) -> None:
    receiver.answers = [(503, {})] * 20
    app.notifier.tell(REJECTED, subject="a")
    deliver(app, clock, rounds=21)
    assert len(receiver.accepted) == 1


def test_the_receiver_says_when_to_come_again(app: Windlass, clock: ManualClock, receiver: Receiver) -> None:
    receiver.answers = [(429, {"retry-after": "3600"})]
    app.notifier.tell(REJECTED, subject="a")
    drain(app)
    clock.advance("59m")
    drain(app)
    assert len(receiver.requests) == 1
    clock.advance("1m")
    drain(app)
    assert len(receiver.accepted) == 1


def test_a_redirect_is_not_followed(app: Windlass, receiver: Receiver) -> None:
    receiver.answers = [(307, {"location": receiver.url.replace("127.0.0.1", "localhost")})]
    app.notifier.tell(REJECTED, subject="a")
    drain(app)
    assert len(receiver.requests) == 1
    (job,) = app.jobs.list(key=KEY)
    assert job.status == "PENDING"
    assert "redirects (307) to http://localhost:" in (job.last_error or "")


def test_one_who_wants_no_more_is_not_asked_again_and_the_others_hear_of_it(
    app: Windlass, receiver: Receiver
) -> None:
    heard: list[JobFailed] = []
    app.on_event(JobFailed)(heard.append)
    receiver.answers = [(410, {})]
    app.notifier.tell(REJECTED, subject="a")
    drain(app)
    assert [event.key for event in heard] == [KEY]
    assert len(app.jobs.list(key=KEY)) == 1, "of its own failure a webhook does not tell itself"


def test_the_secret_is_read_when_it_is_used_and_written_nowhere(
    app: Windlass,
    clock: ManualClock,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    monkeypatch.delenv("WINDLASS_WEBHOOK_SECRET")
    with caplog.at_level(logging.DEBUG):
        app.notifier.tell(REJECTED, subject="a")
        drain(app)
        (job,) = app.jobs.list(key=KEY)
        assert "WINDLASS_WEBHOOK_SECRET is not set" in (job.last_error or "")
        assert receiver.requests == []
        monkeypatch.setenv("WINDLASS_WEBHOOK_SECRET", WRITTEN)
        clock.advance("2h")
        drain(app)
    assert len(receiver.accepted) == 1
    app.close()
    assert WRITTEN not in caplog.text
    assert not [
        path for path in tmp_path.rglob("*") if path.is_file() and WRITTEN.encode() in path.read_bytes()
    ]


def test_a_program_gives_a_webhook_of_its_own(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OWN_SECRET", WRITTEN)
    app = Windlass(tmp_path / "app.db")
    app.notify_by(WebhookChannel(receiver.url, secret=env("OWN_SECRET"), name="ours"))
    app.notifier.tell(REJECTED, subject="a")
    drain(app)
    assert len(receiver.accepted) == 1
    app.close()


def test_a_message_for_a_webhook_that_is_no_more_fails_with_the_reason(
    app: Windlass, receiver: Receiver, database_url: str
) -> None:
    app.notifier.tell(REJECTED, subject="a")
    app.close()
    later = Windlass(database_url)
    later.on_event(print)
    (job,) = drain(later)
    assert (job.status, job.reason) == ("FAILED", "permanent")
    assert "no webhook called 'webhook' any more" in (job.last_error or "")
    later.close()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://example.com/x", "expected the address of a webhook"),
        ("https://", "expected the address of a webhook"),
        ("https://example.com:port/", "expected the address of a webhook"),
        ("https://ann:pw@example.com/", r"holds a user or a password \(example.com\)"),
    ],
)
def test_an_address_that_cannot_be_posted_to_is_refused(url: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        WebhookChannel(url, secret=lambda: WRITTEN)


def test_without_an_address_the_channel_is_refused(tmp_path: Path) -> None:
    app = Windlass(tmp_path / "app.db", notify=("webhook",))
    with pytest.raises(ConfigError, match="needs the setting notify_webhook"):
        list(app.notifier.channels)


def test_a_secret_that_only_looks_encoded_is_refused_without_being_shown() -> None:
    channel = WebhookChannel("https://example.com", secret=lambda: "whsec_not base64!")
    with pytest.raises(ConfigError, match="has to go on in base64") as refused:
        channel.signature("msg_1", 1, b"{}")
    assert "not base64!" not in str(refused.value)
    assert not isinstance(refused.value, PermanentError)
