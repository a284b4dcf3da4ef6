"""Bugs to plant in every replica, so that the checker can be seen to catch them. Classics of this trade."""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec

from windlass.change import KEEP, Effect, Shadow
from windlass.store.relational.ledger.statements import SQL
from windlass.sync import pull
from windlass.sync.places import Condition
from windlass.sync.pull import Pull
from windlass.sync.push import Push
from windlass.sync.remote import Accepted, Gone, Rejected, Stale
from windlass.sync.rest import RestRemote

replace = msgspec.structs.replace

_CRASHES = 3


def another_id_with_each_resend() -> None:
    """A resend is not known for one."""
    outgoing = Push._outgoing

    def renamed(self: Any, one: Any) -> Any:
        made = outgoing(self, one)
        return made if isinstance(made, Rejected) else made._replace(mutation_id=uuid4().hex)

    Push._outgoing = renamed


def cursor_before_rows() -> None:
    """The cursor is committed, then the rows that it stands for; and now and then a crash in between, where
    the storm's own kills would have to be lucky."""
    receive = Pull._receive
    number = json.loads(os.environ["STORM_REPLICA"])["number"]
    crashes = Path(os.environ["STORM_FOLDER"]) / f"crashes-{number}"

    def keep_then_receive(self: Any, hold: Any, documents: Any, after: Any) -> None:
        self._keep(hold, after)
        if documents and random.random() < 0.25:
            with crashes.open("ab") as file:
                file.write(b"!")
            # A few are enough, and a program that never stays up is another fault.
            if crashes.stat().st_size <= _CRASHES:
                os.kill(os.getpid(), signal.SIGKILL)
        receive(self, hold, documents, after)

    Pull._receive = keep_then_receive


def pull_over_pending() -> None:
    """What the remote says is written over what was edited here."""

    def receive(standing: Any, remote: Any, *how: Any) -> Effect:
        known = standing.shadow
        shadow = None
        if remote.row is not None:
            whole = remote.row if known is None else {**known.row, **remote.row}
            shadow = Shadow(whole, remote.version, remote.remote_id, remote.extra)
        row = None if shadow is None else shadow.row
        return Effect(standing.key, row, shadow, sent=None, pending=None, conflict=None, remote=True)

    pull.receive = receive


def echo() -> None:
    """What a pull writes is captured, and sent back."""
    receive = pull.receive
    SQL["silence"] = "SELECT ?"

    def forget(standing: Any, remote: Any, *how: Any) -> Effect:
        effect = receive(standing, remote, *how)
        known = standing.shadow
        if effect.row is KEEP or effect.row is None or known is None or not isinstance(effect.shadow, Shadow):
            return effect
        return effect._replace(shadow=replace(effect.shadow, row=known.row))

    pull.receive = forget


def settle_by_envelope() -> None:
    """A batch was answered, so all that was in it is taken for accepted."""
    send = Push._push

    def all_accepted(self: Any, outgoing: Any) -> list[Any]:
        verdicts = send(self, outgoing)
        return [Accepted() if isinstance(one, Stale | Gone) else one for one in verdicts]

    Push._push = all_accepted


def delete_blindly() -> None:
    """A delete does not say which version was seen."""
    condition = RestRemote._condition

    def none_for_deletes(self: Any, change: Any) -> Condition:
        return Condition() if change.op == "delete" else condition(self, change)

    RestRemote._condition = none_for_deletes


def acknowledge_before_sending() -> None:
    """A change is settled when it has been sealed, whatever becomes of it."""
    send = Push._push

    def hope(self: Any, outgoing: Any) -> list[Any]:
        send(self, outgoing)
        return [Accepted() for _ in outgoing]

    Push._push = hope


BUGS: dict[str, Callable[[], None]] = {
    bug.__name__: bug
    for bug in (
        another_id_with_each_resend,
        cursor_before_rows,
        pull_over_pending,
        echo,
        settle_by_envelope,
        delete_blindly,
        acknowledge_before_sending,
    )
}


def plant(name: str) -> None:
    """Puts one bug into this process."""
    BUGS[name]()
