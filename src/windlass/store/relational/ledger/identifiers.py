"""Names of tables and columns as SQL, whatever is in them."""

from __future__ import annotations

from windlass.errors import ConfigError


def quoted(name: str) -> str:
    """The name between double quotes.

    >>> print(quoted('a "quoted" name'))
    "a ""quoted"" name"

    Raises:
        ConfigError: no SQL can name it.
    """
    if not name or "\0" in name or not name.isprintable():
        raise ConfigError(
            f"expected the name of a table or column to be printable text, got {name!r}: rename it"
        )
    return '"' + name.replace('"', '""') + '"'
