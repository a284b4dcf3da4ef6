"""The listener of the package's own server, under the name that tests know it by."""

from __future__ import annotations

from windlass.demo.server.serving import (
    PHRASES,
    Asked,
    Listener,
    abort,
    headers_of,
    message,
    read_message,
    read_request,
)

__all__ = ["PHRASES", "Asked", "Listener", "abort", "headers_of", "message", "read_message", "read_request"]
