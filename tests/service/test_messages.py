from __future__ import annotations

import errno
import logging
import os
import queue
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.service.waiting import PATIENCE_S, until
from windlass.errors import InvalidPayload, NotRunning, ServiceError
from windlass.service.calling import Listener, call
from windlass.service.messages import FRAME_MAX, KEPT_MESSAGES, SOCKET, MessageServer
from windlass.worker.channel import frame


class Desk:
    """A message server whose workers are this test."""

    def __init__(self, folder: Path, *, ready: bool = True) -> None:
        self.folder = str(folder)
        self.heard: queue.Queue[tuple[str, Any, int | None]] = queue.Queue()
        self.stopped = threading.Event()
        self.server = MessageServer(
            f"{folder}/{SOCKET}",
            broadcast=lambda name, data, request_id: self.heard.put((name, data, request_id)),
            stop=self.stopped.set,
        )
        self.server.start()
        if ready:
            self.server.workers_ready()

    def next(self) -> tuple[str, Any, int | None]:
        """What workers are told next."""
        return self.heard.get(timeout=PATIENCE_S)

    def close(self) -> None:
        self.server.close()


class Caller(threading.Thread):
    """A call in a thread of its own."""

    def __init__(self, folder: Path, name: str, data: Any = None, **options: Any) -> None:
        super().__init__(daemon=True)
        self._call = lambda: invoke(folder, name, data, **options)
        self.answer: Any = None
        self.start()

    def run(self) -> None:
        try:
            self.answer = self._call()
        except ServiceError as error:
            self.answer = error

    def result(self) -> Any:
        self.join(PATIENCE_S)
        assert not self.is_alive()
        return self.answer


def invoke(
    folder: Path, name: str, data: Any = None, *, reply: bool = False, timeout_s: float = PATIENCE_S
) -> Any:
    message = ["invoke", 1, name, data, reply]
    return call(str(folder), message, is_running=lambda: True, timeout_s=timeout_s)


@pytest.fixture
def desk(tmp_path: Path) -> Generator[Desk]:
    with closing(Desk(tmp_path)) as desk:
        yield desk


@pytest.fixture
def listener(tmp_path: Path) -> Generator[Listener]:
    with closing(Listener(lambda: str(tmp_path))) as listener:
        yield listener


def inbox(listener: Listener, name: str) -> Callable[[], Any]:
    """Listens for the name; each call gives the next message."""
    heard: queue.Queue[Any] = queue.Queue()
    listener.on(name, heard.put)
    return lambda: heard.get(timeout=PATIENCE_S)


def test_an_invoke_reaches_the_workers(desk: Desk, tmp_path: Path) -> None:
    invoke(tmp_path, "set_quality", {"level": 2, "parts": [1, None, "ü"]})
    assert desk.next() == ("set_quality", {"level": 2, "parts": [1, None, "ü"]}, None)


def test_the_first_reply_counts_and_later_ones_are_passed_over(desk: Desk, tmp_path: Path) -> None:
    caller = Caller(tmp_path, "quality?", reply=True)
    _, _, request_id = desk.next()
    desk.server.publish("quality?", {"level": 2}, request_id)
    desk.server.publish("quality?", {"level": 3}, request_id)
    assert caller.result() == {"level": 2}


def test_a_program_hears_one_reply_to_one_question(desk: Desk, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as program:
        program.connect(str(tmp_path / SOCKET))
        program.sendall(frame(["invoke", 7, "quality?", None, True]))
        request_id = desk.next()[2]
        for level in (2, 3):
            desk.server.publish("quality?", level, request_id)
        desk.close()
        answers = b"".join(iter(lambda: program.recv(65536), b""))
    assert answers == frame(["accepted", 7]) + frame(["reply", 7, 2])


def test_replies_go_to_the_program_that_asked(desk: Desk, tmp_path: Path) -> None:
    callers = {number: Caller(tmp_path, "double", number, reply=True) for number in range(8)}
    asked = [desk.next() for _ in callers]
    for _, number, request_id in reversed(asked):
        desk.server.publish("double", 2 * number, request_id)
    assert {number: caller.result() for number, caller in callers.items()} == {n: 2 * n for n in range(8)}


def test_an_unanswered_question_says_so_in_time(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match=r"did not reply within 0\.05 s"):
        invoke(tmp_path, "anyone?", reply=True, timeout_s=0.05)
    # The answer that comes too late is nobody's.
    desk.server.publish("anyone?", "me", desk.next()[2])
    invoke(tmp_path, "still there?")
    assert desk.next()[0] == "still there?"


def test_an_invoke_waits_until_workers_are_ready_to_hear_it(tmp_path: Path) -> None:
    """flutter_background_service #293: invokes sent while the service starts are lost."""
    with closing(Desk(tmp_path, ready=False)) as desk:
        callers = [Caller(tmp_path, "early", number) for number in range(3)]
        with pytest.raises(ServiceError, match="did not answer"):
            invoke(tmp_path, "impatient", timeout_s=0.05)
        until(lambda: len(desk.server._held) == 3)
        assert desk.heard.empty()
        desk.server.workers_ready()
        assert {desk.next()[1] for _ in callers} == {0, 1, 2}
        assert [caller.result() for caller in callers] == [None] * 3
        # Whoever gave up was told that nobody had heard; so nobody did.
        assert desk.heard.empty()


def test_an_invoke_finds_the_service_again_while_it_restarts(tmp_path: Path) -> None:
    """flutter_background_service #482: messages around a restart are lost."""
    caller = Caller(tmp_path, "hello")
    with closing(Desk(tmp_path, ready=False)) as first:
        until(lambda: first.server._held)
    with closing(Desk(tmp_path)) as second:
        assert second.next()[0] == "hello"
        assert caller.result() is None
        assert first.heard.empty()


def test_a_question_whose_service_ends_is_not_asked_twice(tmp_path: Path) -> None:
    with closing(Desk(tmp_path)) as desk:
        caller = Caller(tmp_path, "charge the card?", reply=True)
        desk.next()
    assert "may have heard" in str(caller.result())


def test_without_a_service_an_invoke_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match=r"app\.service\.start\(\)"):
        call(str(tmp_path), ["invoke", 1, "x", None, False], is_running=lambda: False, timeout_s=1.0)


def test_a_service_that_never_opens_its_socket_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match=r"did not answer within 0\.02 s"):
        invoke(tmp_path, "x", timeout_s=0.02)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("x" * FRAME_MAX, "at most 1,048,576 bytes"),
        ({"when": object()}, "data that JSON could hold"),
        (2**64, "data that JSON could hold"),
    ],
)
def test_what_cannot_be_sent_is_refused_before_it_is(
    desk: Desk, tmp_path: Path, data: Any, message: str
) -> None:
    with pytest.raises(InvalidPayload, match=message):
        invoke(tmp_path, "x", data)


def test_messages_wait_for_the_first_program_that_listens_for_their_name(
    desk: Desk, listener: Listener
) -> None:
    """flutter_background_service #293: what the service sends before anyone listens is lost."""
    for number in range(3):
        desk.server.publish("early", number)
        desk.server.publish("other", number)
    early = inbox(listener, "early")
    assert [early() for _ in range(3)] == [0, 1, 2]
    other = inbox(listener, "other")
    assert [other() for _ in range(3)] == [0, 1, 2]


def test_of_too_many_waiting_messages_the_latest_are_kept(desk: Desk, listener: Listener) -> None:
    for number in range(KEPT_MESSAGES + 10):
        desk.server.publish("tick", number)
    tick = inbox(listener, "tick")
    assert [tick() for _ in range(KEPT_MESSAGES)] == list(range(10, KEPT_MESSAGES + 10))


def test_of_too_large_waiting_messages_the_latest_are_kept(desk: Desk, listener: Listener) -> None:
    for number in range(20):
        desk.server.publish("tick", [number, "x" * 900_000])
    tick = inbox(listener, "tick")
    assert tick()[0] == 20 - (8 << 20) // 900_000


def test_every_program_that_listens_hears(desk: Desk, listener: Listener, tmp_path: Path) -> None:
    with closing(Listener(lambda: str(tmp_path))) as second:
        inboxes = [inbox(listener, "news"), inbox(second, "news")]
        until(lambda: sum("news" in caller.names for caller in desk.server._callers) == 2)
        desk.server.publish("news", "first")
        assert [heard() for heard in inboxes] == ["first", "first"]


def test_a_listener_finds_the_service_again_when_it_restarts(listener: Listener, tmp_path: Path) -> None:
    """flutter_background_service #482: after a restart of the service the program hears nothing more."""
    news = inbox(listener, "news")
    for life in range(3):
        with closing(Desk(tmp_path)) as desk:
            desk.server.publish("news", life)
            assert news() == life


def test_a_failing_callback_silences_no_other(
    desk: Desk, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(data: Any) -> None:
        raise LookupError(data)

    with caplog.at_level(logging.ERROR, "windlass.service"):
        listener.on("news", fail)
        news = inbox(listener, "news")
        desk.server.publish("news", 1)
        desk.server.publish("news", 2)
        assert (news(), news()) == (1, 2)
    assert "the callback for the message 'news' failed" in caplog.text


def test_listening_ends_for_one_callback_and_messages_wait_again(desk: Desk, listener: Listener) -> None:
    heard: queue.Queue[Any] = queue.Queue()
    end = listener.on("news", heard.put)
    desk.server.publish("news", 1)
    assert heard.get(timeout=PATIENCE_S) == 1
    end()
    until(lambda: all("news" not in caller.names for caller in desk.server._callers))
    desk.server.publish("news", 2)
    assert inbox(listener, "news")() == 2
    assert heard.empty()


def test_a_program_may_ask_for_the_end_of_the_service(desk: Desk, tmp_path: Path) -> None:
    call(str(tmp_path), ["stop"], is_running=lambda: True, timeout_s=PATIENCE_S)
    assert desk.stopped.wait(PATIENCE_S)


@pytest.mark.parametrize(
    "nonsense", [b"GET / HTTP/1.1\r\n\r\n" * 200_000, frame({"a": 1}), frame([["x"]]), b"\x00"]
)
def test_a_caller_that_talks_nonsense_disturbs_nobody(desk: Desk, tmp_path: Path, nonsense: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(str(tmp_path / SOCKET))
        try:
            stranger.sendall(nonsense)
        except BrokenPipeError:
            assert len(nonsense) > FRAME_MAX
        invoke(tmp_path, "sense")
    assert desk.next()[0] == "sense"


def test_a_listener_that_does_not_read_is_hung_up_on(
    desk: Desk, listener: Listener, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket(socket.AF_UNIX) as sleeper, caplog.at_level(logging.WARNING, "windlass.service"):
        sleeper.connect(str(tmp_path / SOCKET))
        sleeper.sendall(frame(["listen", ["news"]]))
        until(lambda: any("news" in caller.names for caller in desk.server._callers))
        for number in range(20):
            desk.server.publish("news", [number, "x" * 1_000_000])
        until(lambda: "does not read" in caplog.text)
    assert inbox(listener, "news")()[0] > 0


def test_out_of_file_descriptors_callers_wait_until_there_are_some(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    invoke(tmp_path, "before")
    lacking = threading.Event()
    accept = desk.server._listener.accept

    class Scarce:
        def __getattr__(self, name: str) -> Any:
            return getattr(listening, name)

        def accept(self) -> Any:
            if not lacking.is_set():
                lacking.set()
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return accept()

    listening = desk.server._listener
    selector = desk.server._selector
    monkeypatch.setattr(desk.server, "_listener", Scarce())
    invoke(tmp_path, "during")
    assert lacking.is_set()
    assert caplog.text.count("cannot accept a connection now") == 1
    assert [desk.next()[0] for _ in range(2)] == ["before", "during"]
    assert selector.get_key(listening)


def test_a_message_that_is_too_large_is_not_sent_and_hurts_nobody(
    desk: Desk, listener: Listener, tmp_path: Path
) -> None:
    caller = Caller(tmp_path, "all of it?", reply=True)
    desk.server.publish("all of it?", "x" * FRAME_MAX, desk.next()[2])
    assert "the reply takes more than 1,048,576 bytes" in str(caller.result())
    desk.server.publish("news", "x" * FRAME_MAX)
    desk.server.publish("news", "short")
    assert inbox(listener, "news")() == "short"


def test_the_server_notices_the_end_of_a_watched_pipe(tmp_path: Path) -> None:
    read, write = os.pipe()
    ended = threading.Event()
    server = MessageServer(f"{tmp_path}/{SOCKET}", broadcast=lambda *_: None, stop=lambda: None)

    def end() -> None:
        ended.set()
        server._selector.unregister(read)

    server.watch(read, end)
    server.start()
    assert not ended.is_set()
    os.close(write)
    assert ended.wait(PATIENCE_S)
    server.close()
    os.close(read)


def test_the_socket_is_its_owners_alone_and_goes_with_the_server(tmp_path: Path) -> None:
    path = tmp_path / SOCKET
    path.touch()  # a dead predecessor's
    with closing(Desk(tmp_path)):
        assert path.is_socket()
        assert path.stat().st_mode & 0o777 == 0o600
    assert not path.exists()


def test_what_is_to_be_done_hourly_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("windlass.service.messages._HOUR_S", 0.01)
    done = threading.Semaphore(0)
    server = MessageServer(
        f"{tmp_path}/{SOCKET}", broadcast=lambda *_: None, stop=lambda: None, hourly=done.release
    )
    server.start()
    assert done.acquire(timeout=PATIENCE_S)
    assert done.acquire(timeout=PATIENCE_S)
    server.close()
