"""Credentials: read when they are used, made anew once, shown nowhere."""

from __future__ import annotations

import base64
import logging
import pickle
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.sync.conftest import SHORT
from tests.sync.servers.faulty import Faulty
from windlass.demo.server.serving import Asked, message
from windlass.errors import BadResponse, ConfigError, Offline, RemoteFault, Throttled, Unauthorized
from windlass.redact import clean
from windlass.sync.auth import Auth, basic, bearer, custom, oauth2_client_credentials, oauth2_refresh
from windlass.sync.http import Transport
from windlass.sync.secrets import env, keyring, secret
from windlass.testing import ManualClock


@pytest.fixture
def server() -> Iterator[Faulty]:
    with Faulty() as faulty:
        yield faulty


def ask(server: Faulty, auth: Auth, path: str = "/guarded") -> Asked:
    """Sends one request; as it came in."""
    with Transport(server.url, auth=auth, timeouts=SHORT) as transport:
        transport.request("GET", path)
    return server.asked[-1]


def authorization(asked: Asked) -> str:
    return asked.headers["authorization"]


# ── where secrets come from ───────────────────────────────────────────────────────────────────────
def test_a_secret_is_read_each_time(server: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    auth = bearer(env("WINDLASS_TEST_TOKEN"))
    for token in ("first-canary", "second-canary"):
        monkeypatch.setenv("WINDLASS_TEST_TOKEN", token)
        assert authorization(ask(server, auth, "/ok")) == f"Bearer {token}"


def test_a_secret_that_is_missing_is_unauthorized_and_nothing_is_sent(server: Faulty) -> None:
    with pytest.raises(Unauthorized, match="WINDLASS_TEST_NOT_SET is not set"):
        ask(server, bearer(env("WINDLASS_TEST_NOT_SET")))
    assert server.accepted == 0


def test_a_function_that_fails_is_named_and_its_text_is_not() -> None:
    def broken() -> str:
        raise RuntimeError("the vault said canary")

    with pytest.raises(Unauthorized, match=r"broken\(\) could not be read \(RuntimeError\)") as caught:
        secret(broken).reveal()
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_the_keyring_is_asked_when_a_request_is_sent(server: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    # The system's own keyring needs a desktop: this one has the interface that is called.
    passwords = {("api", "ann"): "from-keyring-canary"}
    module = ModuleType("keyring")
    module.get_password = lambda *who: passwords.get(who)  # type: ignore[attr-defined]
    module.__spec__ = __import__("importlib.machinery").machinery.ModuleSpec("keyring", None)
    monkeypatch.setitem(sys.modules, "keyring", module)
    assert authorization(ask(server, bearer(keyring("api", "ann")), "/ok")) == "Bearer from-keyring-canary"
    with pytest.raises(Unauthorized, match="no password of 'bob' for 'api'"):
        keyring("api", "bob").reveal()


def test_a_missing_keyring_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigError, match="extra `keyring`"):
        keyring("api", "ann")


def test_a_secret_is_never_shown_and_never_pickled() -> None:
    one = secret("shy-canary")
    assert "canary" not in f"{one!r} {one} {bearer(one)!r} {basic('ann', one)!r} {vars}"
    with pytest.raises(TypeError, match="not pickled") as caught:
        pickle.dumps(one)
    assert "canary" not in str(caught.value)


# ── stated credentials ────────────────────────────────────────────────────────────────────────────
def test_basic_credentials_are_sent_as_the_standard_says(server: Faulty) -> None:
    sent = authorization(ask(server, basic("ann", "pässword"), "/ok"))
    assert base64.b64decode(sent.removeprefix("Basic ")).decode() == "ann:pässword"


def test_your_own_function_sees_the_headers_and_adds_to_them(server: Faulty) -> None:
    def sign(headers: Mapping[str, str]) -> Mapping[str, str]:
        return {"X-Signature": f"signed:{headers['x-what']}"}

    with Transport(server.url, auth=custom(sign)) as transport:
        transport.request("GET", "/ok", headers={"X-What": "7"})
    assert server.asked[-1].headers["x-signature"] == "signed:7"


def test_a_401_asks_the_function_once_more(server: Faulty) -> None:
    tokens = iter(["stale-canary", "fresh"])
    asked = ask(server, custom(lambda _: {"Authorization": f"Bearer {next(tokens)}"}))
    assert authorization(asked) == "Bearer fresh"
    assert len(server.asked) == 2


def test_a_second_401_is_unauthorized(server: Faulty) -> None:
    with pytest.raises(Unauthorized):
        ask(server, custom(lambda _: {"Authorization": "Bearer wrong-canary"}))
    assert len(server.asked) == 2


def test_a_token_that_was_changed_meanwhile_is_tried(server: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = iter(["stale-canary", "fresh", "fresh"])
    assert authorization(ask(server, bearer(lambda: next(tokens)))) == "Bearer fresh"


def test_the_same_token_is_not_tried_twice(server: Faulty) -> None:
    with pytest.raises(Unauthorized):
        ask(server, bearer("wrong-canary"))
    assert len(server.asked) == 1


def test_nothing_tells_a_credential(server: Faulty, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    texts: list[str] = []
    makes: list[Callable[[], Auth]] = [
        lambda: bearer("canary-bearer"),
        lambda: basic("ann", "canary-basic"),
        lambda: custom(lambda _: {"Authorization": "Bearer canary-custom"}),
        lambda: oauth2_refresh(f"{server.url}/refusal", "canary-refresh", "me", "canary-client"),
        lambda: oauth2_client_credentials(f"{server.url}/refusal", "me", "canary-client"),
    ]
    echo = b'{"error": "bad", "error_description": "no: canary-client canary-refresh canary-bearer"}'
    server.canned["/refusal"] = message(400, {"Content-Type": "application/json"}, echo)
    for make in makes:
        with pytest.raises(Unauthorized) as caught:
            ask(server, make())
        texts += [str(caught.value), repr(caught.value), repr(make())]
    texts += [clean("ann:canary-basic " + base64.b64encode(b"ann:canary-basic").decode())]
    assert "canary" not in "\n".join([*texts, caplog.text])
    assert base64.b64encode(b"ann:canary-basic").decode() not in "\n".join([*texts, caplog.text])


# ── OAuth2 ────────────────────────────────────────────────────────────────────────────────────────
def form_of(asked: Asked) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}


def test_client_credentials_fetch_one_token_for_many_requests(server: Faulty) -> None:
    auth = oauth2_client_credentials(f"{server.url}/token", "me & you", "s3cret:canary", "read write")
    for _ in range(3):
        ask(server, auth)
    assert server.paths() == ["/token", "/guarded", "/guarded", "/guarded"]
    first = server.asked[0]
    assert form_of(first) == {"grant_type": "client_credentials", "scope": "read write"}
    proof = base64.b64decode(authorization(first).removeprefix("Basic ")).decode()
    assert proof == "me%20%26%20you:s3cret%3Acanary"


def test_a_client_can_prove_itself_in_the_body(server: Faulty) -> None:
    auth = oauth2_client_credentials(f"{server.url}/token", "me", "s3cret-canary", in_body=True)
    ask(server, auth)
    assert form_of(server.asked[0]) == {
        "grant_type": "client_credentials",
        "client_id": "me",
        "client_secret": "s3cret-canary",
    }
    assert "authorization" not in server.asked[0].headers


def test_a_token_is_fetched_anew_a_little_before_it_expires(server: Faulty) -> None:
    clock = ManualClock()
    auth = oauth2_client_credentials(f"{server.url}/token", "me", "s3cret-canary", clock=clock)
    ask(server, auth)
    clock.advance("8m50s")
    ask(server, auth)
    assert server.tokens == 1
    clock.advance("30s")
    assert ask(server, auth)
    assert server.tokens == 2


def test_a_token_that_is_still_good_outlives_a_failing_token_server(server: Faulty) -> None:
    clock = ManualClock()
    auth = oauth2_client_credentials(f"{server.url}/token", "me", "s3cret-canary", clock=clock)
    ask(server, auth)
    server.canned["/token"] = message(503)
    clock.advance("9m30s")
    ask(server, auth)
    clock.advance("1m")
    with pytest.raises(RemoteFault, match="503"):
        ask(server, auth)


def test_a_401_fetches_a_token_once_and_repeats(server: Faulty) -> None:
    auth = oauth2_client_credentials(f"{server.url}/token", "me", "s3cret-canary")
    ask(server, auth)
    server.token = "revoked"
    ask(server, auth)
    assert server.paths()[2:] == ["/guarded", "/token", "/guarded"]


def test_threads_that_meet_a_401_together_fetch_one_token(server: Faulty) -> None:
    auth = oauth2_client_credentials(f"{server.url}/token", "me", "s3cret-canary")
    sent = dict(auth.headers({}))
    threads = [threading.Thread(target=auth.refresh, args=(sent,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert server.tokens == 2


def test_a_rotated_refresh_token_is_used_and_handed_on(server: Faulty) -> None:
    kept: list[str] = []
    auth = oauth2_refresh(f"{server.url}/token", "first-canary", "me", on_rotate=kept.append)
    for _ in range(3):
        server.token = "revoked"
        ask(server, auth)
    forms = [form_of(one) for one in server.asked if one.path == "/token"]
    assert [form["refresh_token"] for form in forms] == [
        "first-canary",
        "rotated-1-canary",
        "rotated-2-canary",
    ]
    assert forms[0]["client_id"] == "me"
    assert kept == ["rotated-1-canary", "rotated-2-canary", "rotated-3-canary"]


def test_a_refresh_token_that_another_process_stored_is_the_newest(server: Faulty) -> None:
    kept = {"token": "first-canary"}
    auth = oauth2_refresh(f"{server.url}/token", lambda: kept["token"])
    for stored in ("first-canary", "first-canary", "by-another-canary"):
        kept["token"] = stored
        server.token = "revoked"
        ask(server, auth)
    tokens = [form_of(one)["refresh_token"] for one in server.asked if one.path == "/token"]
    assert tokens == ["first-canary", "rotated-1-canary", "by-another-canary"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (message(400, {}, b'{"error": "invalid_grant"}'), Unauthorized),
        (message(401), Unauthorized),
        (message(429, {"Retry-After": "7"}), Throttled),
        (message(503), RemoteFault),
        (message(404), BadResponse),
        (message(200, {}, b"{}"), BadResponse),
        (message(200, {}, b"[]"), BadResponse),
        (message(200, {}, b'{"access_token": "a", "token_type": "mac"}'), BadResponse),
        (message(200, {"Content-Type": "text/html"}, b"<html>"), BadResponse),
    ],
)
def test_a_token_server_that_refuses_says_what_is_to_be_done(
    server: Faulty, answer: bytes, error: type[Any]
) -> None:
    server.canned["/token"] = answer
    with pytest.raises(error, match=r"^oauth2_client_credentials\(|/token answered 200 with"):
        ask(server, oauth2_client_credentials(f"{server.url}/token", "me", "s3cret-canary"))
    assert server.paths() == ["/token"]


def test_a_request_whose_token_cannot_be_fetched_was_not_sent(server: Faulty) -> None:
    with pytest.raises(Offline) as caught:
        ask(server, oauth2_client_credentials(f"{server.url}/cut", "me", "s3cret-canary"))
    assert caught.value.applied is False
