"""The settings of a ``RestRemote``, looked at when it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from windlass.errors import ConfigError
from windlass.sync.answers import checked_statuses
from windlass.sync.cursors import checked_parameter
from windlass.sync.paginate import checked_page_style
from windlass.sync.places import Field, Header, as_version

if TYPE_CHECKING:
    from windlass.sync.rest import RestRemote

_CHOICES: Final = {
    "create": ("POST", "PUT"),
    "update": ("PATCH", "PUT"),
    "conditional": ("page", "collection", "never"),
}


def check_settings(remote: RestRemote) -> None:
    """Raises:
    ConfigError: one of them cannot be right.
    """
    checked_page_style(remote.page)
    checked_statuses(remote.statuses)
    as_version(remote.version)
    for path in (remote.id, remote.rows, remote.row, remote.wrap, remote.current):
        if path is not None:
            Field(path)
    for parameter in (remote.limit_parameter, remote.unique):
        if parameter is not None:
            checked_parameter(parameter)
    for name, allowed in _CHOICES.items():
        if (choice := getattr(remote, name)) not in allowed:
            raise ConfigError(f"expected {name} to be one of {', '.join(allowed)}, got {choice!r}")
    for name in ("batch", "limit_max"):
        if not isinstance(count := getattr(remote, name), int) or count < 1:
            raise ConfigError(f"expected {name} to be a positive number, got {count!r}")
    if "{id}" not in remote.item:
        raise ConfigError(f'expected item to hold {{id}}, such as "?id=eq.{{id}}", got {remote.item!r}')
    Header(remote.key_header)
