"""A dispatcher that does what its arguments say, for tests of the supervisor: ``scripted.py DIARY WORD...``.

It writes its process id into the diary, then follows the words; the first life takes those before ``then``,
the second those after it, and every later life the last ones again.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from windlass.service import DATABASE_AWAY
from windlass.service.main import Supervision


def main(diary: Path, words: list[str]) -> None:
    lives = [life.split() for life in " ".join(words).split(" then ")]
    earlier = diary.read_text().split() if diary.exists() else []
    with diary.open("a") as file:
        file.write(f"{os.getpid()}\n")
    supervision = Supervision(os.environ.pop("WINDLASS_SUPERVISED"))
    for word in lives[min(len(earlier), len(lives) - 1)]:
        obey(word, supervision, diary)


def obey(word: str, supervision: Supervision, diary: Path) -> None:
    match word:
        case "ready":
            supervision.ready()
        case "refuse":
            supervision.failed("the moon is in the wrong phase")
            os._exit(3)
        case "away":
            supervision.failed("the database has gone for a walk")
            os._exit(DATABASE_AWAY)
        case "crash":
            os._exit(17)
        case "fault":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "end":
            os._exit(0)
        case "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        case "counting":
            count_signals(diary.with_suffix(".signals"))
        case "obedient":
            signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        case "serve":
            threading.Event().wait()
        case _:
            raise SystemExit(f"unknown word {word}")


def count_signals(diary: Path) -> None:
    def note(number: int, frame: object) -> None:
        with diary.open("a") as file:
            file.write(f"{signal.Signals(number).name}\n")

    signal.signal(signal.SIGTERM, note)
    signal.signal(signal.SIGINT, note)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
