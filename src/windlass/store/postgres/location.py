"""Which database a URL names, and how it may be spoken to."""

from __future__ import annotations

import hashlib
import os
import re
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from windlass.errors import ConfigError

SCHEMES = frozenset({"postgresql", "postgres"})
_OURS = "windlass_"
_SWITCHES = {"on": True, "off": False}
_SECRETS = frozenset({"password", "sslpassword"})
"""Settings of libpq's that are shown to nobody."""
UNREADABLE = (
    "expected the URL of a database, such as postgresql://app@db.example.com/app, got one that cannot be "
    "read and is not shown: it may hold a password. In that, a user's name and elsewhere write @ as %40, / "
    "as %2F, # as %23, ? as %3F and % as %25; or leave the password out, and keep it in ~/.pgpass"
)
"""What is said of a URL of which nobody knows where its password begins and ends."""
_STRAY = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
"""No sign that stands for another one."""
_PLACE = re.compile(r"(?:\[[^\[\]]*\]|[^:\[\]]*)(?::[0-9]*)?")
"""A host, and its port."""


class Location(NamedTuple):
    """A database, as its URL tells it."""

    conninfo: str
    """The URL as libpq takes it."""
    name: str
    """The same for people: without a password."""
    hints: bool = True
    """NOTIFY and advisory locks may be used."""

    @property
    def told(self) -> frozenset[str]:
        """The names of the URL's settings; none of them where one may be a piece of a password."""
        names = frozenset(name for name, _ in _settings(self.conninfo.partition("?")[2]))
        return names if names.isdisjoint(_SECRETS) else frozenset()

    @property
    def path(self) -> str:
        """A place of this user's own, the same for all programs that name this database alike."""
        digest = hashlib.sha256(self.name.encode()).hexdigest()[:16]
        state = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
        return os.path.join(state, "windlass", f"postgresql-{digest}")


def is_postgres(url: str) -> bool:
    """True for a URL of a PostgreSQL database, also one as SQLAlchemy spells it."""
    scheme, separator, _ = url.partition("://")
    return bool(separator) and scheme.partition("+")[0] in SCHEMES


def locate(url: str) -> Location:
    """Takes our own settings out of a URL, and leaves the rest to libpq.

    Raises:
        ConfigError: it cannot be read, or has a setting that there is not. No password is in the message.
    """
    who, where, path, query = _split(url)
    options: list[tuple[str, str]] = []
    ours: dict[str, Any] = {}
    for name, value in _settings(query):
        if not name.startswith(_OURS):
            options.append((name, value))
        elif name == "windlass_hints" and value in _SWITCHES:
            ours["hints"] = _SWITCHES[value]
        else:
            raise ConfigError(f"expected windlass_hints=on or windlass_hints=off, got {name}={value!r:.80}")
    user = who.partition(":")[0]
    secretless = [(name, value) for name, value in options if name not in _SECRETS]
    return Location(
        conninfo=f"postgresql://{f'{who}@' if who else ''}{where}/{path}{_query(options)}",
        name=f"postgresql://{f'{user}@' if user else ''}{where}/{path}{_query(secretless)}",
        **ours,
    )


def _split(url: str) -> tuple[str, str, str, str]:
    """Who, where, the database and the settings; a password reaches into none of the others."""
    rest = url.partition("://")[2].strip()
    if not rest:
        raise ConfigError(
            f"expected the URL of a database, such as postgresql://app@db.example.com/app, got {url!r}"
        )
    before, query = rest.partition("?")[::2]
    authority, path = before.partition("/")[::2]
    who, where = authority.rpartition("@")[::2]
    if "#" in rest or "@" in who + path + query or _STRAY.search(before):
        raise ConfigError(UNREADABLE)
    if not all(_PLACE.fullmatch(place) for place in where.split(",")):
        # What stands in the place of a port may be the password of a URL that lacks the rest.
        raise ConfigError(UNREADABLE)
    return who, where, path, query


def _settings(query: str) -> list[tuple[str, str]]:
    # As libpq reads it, to whom a plus is no space.
    pairs = (setting.partition("=") for setting in query.split("&") if setting)
    return [(unquote(name), unquote(value)) for name, _, value in pairs]


def _query(settings: list[tuple[str, str]]) -> str:
    told = "&".join(f"{quote(name)}={quote(value, safe='/,')}" for name, value in settings)
    return f"?{told}" if told else ""
