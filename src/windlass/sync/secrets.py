"""Secrets: read when a request is sent, never kept, and never shown.

A token comes from the environment, from the system's keyring, or from a function of yours, each time anew:
one that was changed meanwhile is used at once. What was read is concealed from every text that Windlass
stores or logs (``redact.py``), also where a server says it back to us.

>>> token = env("API_TOKEN")
>>> token
env('API_TOKEN')
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from typing import final

from windlass.errors import ConfigError, RemoteError, Unauthorized
from windlass.redact import conceal


@final
class Secret:
    """Where a secret comes from. Make one with ``env``, ``keyring`` or ``secret``."""

    __slots__ = ("_name", "_read")

    def __init__(self, name: str, read: Callable[[], str]) -> None:
        self._name = name
        self._read = read

    def reveal(self) -> str:
        """The secret, read now.

        Raises:
            Unauthorized: there is none, or it cannot be read; the message says where it was looked for.
        """
        try:
            value = self._read()
        except RemoteError:
            raise
        except Exception as error:  # noqa: BLE001 - a function of the user's, or a keyring's backend
            # Neither the text of the error nor its cause is passed on: it may hold what must not be shown.
            raise Unauthorized(f"{self._name} could not be read ({type(error).__name__})") from None
        if not value:
            raise Unauthorized(f"{self._name} holds no secret: expected a text that is not empty")
        conceal(value)
        return value

    def __repr__(self) -> str:
        return self._name

    def __reduce__(self) -> str:
        raise TypeError(f"{self._name} stays in this process: a secret is not pickled")


SecretLike = str | Secret | Callable[[], str]
"""What every parameter that wants a secret takes."""


def env(name: str) -> Secret:
    """The environment variable of this name."""

    def read() -> str:
        if not (value := os.environ.get(name)):
            raise Unauthorized(f"the environment variable {name} is not set: it is to hold the secret")
        return value

    return Secret(f"env({name!r})", read)


def keyring(service: str, user: str) -> Secret:
    """A password of the system's keyring.

    Raises:
        ConfigError: the package ``keyring`` is not installed.
    """
    if importlib.util.find_spec("keyring") is None:
        raise ConfigError(
            "keyring(…) needs the package keyring: install Windlass with the extra `keyring`, "
            "or take the secret from the environment with env(…)"
        )

    def read() -> str:
        module = importlib.import_module("keyring")
        if not (value := module.get_password(service, user)):
            raise Unauthorized(
                f"the keyring has no password of {user!r} for {service!r}: store it there first"
            )
        return value

    return Secret(f"keyring({service!r}, {user!r})", read)


def secret(source: SecretLike) -> Secret:
    """A secret from a function that returns it, or from a plain text; a ``Secret`` stays what it is."""
    if isinstance(source, Secret):
        return source
    if isinstance(source, str):
        conceal(source)
        return Secret("a secret given as text", lambda: source)
    return Secret(f"{getattr(source, '__qualname__', 'a function')}()", source)
