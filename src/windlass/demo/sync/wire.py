"""The network between a replica and the server: it can be cut, and mended."""

from __future__ import annotations

import contextlib
import socket
import threading
from urllib.parse import urlsplit

from windlass.demo.server.serving import Listener, abort


class Wire(Listener):
    """``Wire(server).url`` in the place of the server's; ``down`` cuts it, ``up`` mends it."""

    def __init__(self, url: str) -> None:
        there = urlsplit(url)
        self._there = there.hostname or "127.0.0.1", there.port or 80
        super().__init__(self._carry)

    def _carry(self, near: socket.socket) -> None:
        with socket.create_connection(self._there) as far, self.ends_with_us(far):
            back = threading.Thread(target=_pump, args=(far, near), daemon=True)
            back.start()
            _pump(near, far)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    # Either end may be gone at any moment: that is what this is for.
    with contextlib.suppress(OSError):
        while piece := source.recv(1 << 16):
            target.sendall(piece)
    abort(target)
    abort(source)
