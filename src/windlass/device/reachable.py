"""Whether a URL answers: asked at first, upon each change of the network, and once a minute.

Asked by HEAD, without following anything. What counts is an answer of the URL's own host: a redirect to
another one is what a captive portal gives, and a server error is a service that cannot be used. Over
``https`` a portal cannot pretend to be the host.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from urllib.parse import urljoin, urlsplit

from windlass.device.probe import POLL_S, Ear, Tell
from windlass.facts import Verdict
from windlass.version import VERSION

_STEP_S, _TOTAL_S = 5.0, 10.0
_FIRST_RETRY_S = 1.0
_NO_HEAD = frozenset({405, 501})


class Url:
    """One URL, asked by a thread of its own."""

    def __init__(self, url: str, *, step_s: float = _STEP_S, total_s: float = _TOTAL_S) -> None:
        self._url = url
        self._step_s, self._total_s = step_s, total_s

    def run(self, tell: Tell, ear: Ear) -> None:
        retry_s = _FIRST_RETRY_S
        while not ear.closed:
            verdict = self.ask()
            tell(verdict)
            retry_s = _FIRST_RETRY_S if verdict.holds else min(retry_s * 2, POLL_S)
            ear.wait(POLL_S if verdict.holds else retry_s)

    def ask(self) -> Verdict:
        """Asks now."""
        try:
            status, to = self._status("HEAD")
            if status in _NO_HEAD:
                status, to = self._status("GET")
        except TimeoutError:
            return Verdict(False, f"no answer within {self._step_s:g} s")
        except ssl.SSLCertVerificationError as error:
            return Verdict(False, f"its certificate is not to be trusted ({error.verify_message}): a portal?")
        except socket.gaierror as error:
            return Verdict(False, f"its name is not found ({error.strerror})")
        except (OSError, http.client.HTTPException) as error:
            return Verdict(False, f"no answer ({getattr(error, 'strerror', None) or type(error).__name__})")
        return self._judged(status, to)

    def _judged(self, status: int, to: str) -> Verdict:
        asked = urlsplit(self._url).hostname or ""
        if 300 <= status < 400 and to:
            there = _host(self._url, to)
            if not _same_site(asked, there):
                return Verdict(False, f"answered by a redirect to {there or 'nowhere'}: a captive portal?")
        if status >= 500:
            return Verdict(False, f"answered {status}")
        return Verdict(True)

    def _status(self, method: str) -> tuple[int, str]:
        parts = urlsplit(self._url)
        host, port = parts.hostname or "", parts.port
        connection = (
            http.client.HTTPSConnection(host, port, timeout=self._step_s)
            if parts.scheme == "https"
            else http.client.HTTPConnection(host, port, timeout=self._step_s)
        )
        overdue = threading.Event()
        # Each step has a timeout of its own; one that sends a byte now and then is ended by this.
        timer = threading.Timer(self._total_s, _cut, (connection, overdue))
        timer.daemon = True
        timer.start()
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request(
                method, target, headers={"User-Agent": f"windlass/{VERSION}", "Connection": "close"}
            )
            answer = connection.getresponse()
            if overdue.is_set():  # it looks complete, because it was cut
                raise TimeoutError
            return answer.status, answer.getheader("Location", "")
        except (OSError, http.client.HTTPException) as error:
            raise TimeoutError if overdue.is_set() else error from None
        finally:
            timer.cancel()
            connection.close()


def _cut(connection: http.client.HTTPConnection, overdue: threading.Event) -> None:
    overdue.set()
    line: socket.socket | None = connection.sock
    if line is not None:
        try:
            line.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it has ended by itself


def _host(base: str, to: str) -> str:
    try:
        return urlsplit(urljoin(base, to)).hostname or ""
    except ValueError:
        return ""


def _same_site(one: str, other: str) -> bool:
    return one == other or other.endswith(f".{one}") or one.endswith(f".{other}")
