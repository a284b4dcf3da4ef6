"""Frames between a dispatcher and its isolates, over real sockets."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator

import pytest

from windlass.outcome import (
    AnyOutcome,
    Cancelled,
    Committed,
    Completed,
    Crashed,
    Failed,
    Quarantined,
    Released,
    Retried,
    Snoozed,
)
from windlass.worker.channel import Frames, Outbox, Result, Sender, decode_message, decode_result, frame


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair()
    yield left, right
    left.close()
    right.close()


def test_frames_survive_being_cut_anywhere():
    messages = [[n, "x" * random.Random(n).randrange(300)] for n in range(200)]
    stream = b"".join(frame(message) for message in messages)
    chance = random.Random(7)
    frames, found, position = Frames(), [], 0
    while position < len(stream):
        step = chance.choice([1, 2, 3, 5, 100, 4096])
        found += frames.feed(stream[position : position + step])
        position += step
    assert [decode_message(body) for body in found] == messages


@pytest.mark.parametrize(
    "outcome",
    [
        Completed('{"n":1}'),
        Completed(),
        Committed(),
        Retried("error", 5),
        Retried("error", 5, alone=True),
        Snoozed("later", 5),
        Cancelled("no"),
        Failed("error", "invalid"),
        Crashed("died", sole=False),
        Released("back", alone=True),
        Quarantined("odd"),
    ],
)
def test_every_outcome_comes_back_as_it_went(outcome: AnyOutcome):
    [body] = Frames().feed(frame(Result(7, 2**62, 12, outcome)))
    assert decode_result(body) == Result(7, 2**62, 12, outcome)


def test_what_does_not_fit_is_kept_in_order_until_there_is_room(pair: tuple[socket.socket, socket.socket]):
    left, right = pair
    left.setblocking(False)
    outbox = Outbox(left)
    large = [frame([n, "y" * 1_000_000]) for n in range(3)]
    for data in large:
        outbox.put(data)
    assert outbox.waiting
    frames, found = Frames(), []
    while len(found) < 3:
        found += frames.feed(right.recv(1 << 18))
        outbox.flush()
    assert not outbox.waiting
    assert [decode_message(body)[0] for body in found] == [0, 1, 2]


def test_a_gone_reader_is_an_error_to_the_writer(pair: tuple[socket.socket, socket.socket]):
    left, right = pair
    left.setblocking(False)
    right.close()
    with pytest.raises(OSError, match="Broken pipe"):
        Outbox(left).put(b"anything")


def test_frames_of_many_threads_stay_whole(pair: tuple[socket.socket, socket.socket]):
    left, right = pair
    sender = Sender(left)
    threads = [
        threading.Thread(target=lambda n=n: [sender.send([n, i, "z" * 5000]) for i in range(50)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    frames = Frames()
    found: list[list[object]] = []
    while len(found) < 200:
        found += [decode_message(body) for body in frames.feed(right.recv(1 << 18))]
    for thread in threads:
        thread.join()
    for n in range(4):
        assert [message[1] for message in found if message[0] == n] == list(range(50))
