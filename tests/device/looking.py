"""A process that looks at its device until its standard input ends: one line of JSON for each change."""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import threading

from windlass.constraints import blocked_by, conditions, from_text
from windlass.device import Device
from windlass.facts import UNREAD


def main() -> None:
    # Nobody waits longer: where it is silent till then, each of its threads says where it stands.
    faulthandler.dump_traceback_later(30, repeat=True)
    constraints = from_text(sys.argv[1])
    asked = {condition.fact for condition in conditions(constraints)}
    telling = threading.Lock()

    def tell() -> None:
        with telling:
            state = device.state()
            # Only of those asked for: a fact that merely says when to look again may come after them.
            if any(state.facts.get(fact, UNREAD) is UNREAD for fact in asked):
                return
            blocked = {each.condition: each.reason for each in blocked_by(constraints, state)}
            print(json.dumps(blocked), flush=True)

    device = Device(tell, folder=os.getcwd())
    device.want([constraints])
    sys.stdin.read()
    device.close()


if __name__ == "__main__":
    main()
