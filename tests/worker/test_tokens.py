"""A token starts the job it was made for, however many that were taken back lie before it in the stream."""

from __future__ import annotations

import socket
import threading

from windlass.store.protocol import Claim
from windlass.worker.channel import TOKEN, frame
from windlass.worker.isolate import Isolate


def claim(job_id: int) -> Claim:
    return Claim(job_id, "work", None, 1, 3, 7, None, "default", False, 0)


def test_a_token_is_not_mistaken_for_a_job_that_was_taken_back():
    """By the low byte alone, jobs 256 apart had one token: a recalled one ran, and the next never ended."""
    ours, theirs = zip(*(socket.socketpair() for _ in range(3)), strict=True)
    isolate = Isolate(jobs=theirs[0], tokens=theirs[1], control=theirs[2])
    stream = b"".join(frame([(number, *claim(number))]) for number in range(1, 601))
    sender = threading.Thread(target=ours[0].sendall, args=(stream,))
    sender.start()
    ours[1].sendall(TOKEN.pack(600))

    token = isolate._next_token()
    found = isolate._take(TOKEN.unpack(token)[0])

    sender.join()
    assert found == claim(600)
    for one in (*ours, *theirs):
        one.close()
