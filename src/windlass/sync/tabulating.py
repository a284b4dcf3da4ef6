"""A page as a table: documents of which nothing is odd, a column at a time, where all of them are new."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, cast

from windlass.change import NewRows
from windlass.sync.kept import LARGEST
from windlass.sync.mapping import Mapper, Unmappable
from windlass.sync.remote import Document, Documents

_INTEGERS = frozenset((int, type(None)))
_SIMPLE = frozenset((str, int, type(None)))


def new_rows(mapper: Mapper, documents: Sequence[Document]) -> NewRows | None:
    """The rows of these documents, as ``Mapper.row`` and ``Mapper.key`` would make them one by one.

    None: they are to be looked at so. For documents of one shape that tell every column, the key (which is
    one) among them, by its own name, with nothing to be refused, and each row once.
    """
    if not mapper.is_plain or mapper.only_key is None or not documents:
        return None
    if not isinstance(documents, Documents):
        documents = Documents(*zip(*documents, strict=True))
    remote_ids, bodies, versions = cast("tuple[Any, Any, Any]", documents.columns)
    if (
        set(map(type, bodies)) != {dict}
        or len(set(map(len, bodies))) > 1
        or len(set(remote_ids)) < len(remote_ids)
    ):
        return None
    taken, others = mapper.shape(tuple(bodies[0]))
    names = tuple(column for _, column, _, _ in taken)
    if len(names) < len(mapper.table.columns):
        return None
    try:
        rows = _tuples(bodies, names)
        columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
        has_changed, simple = False, True
        for at, (_, name, plain, take) in enumerate(taken):
            values = columns[at]
            kinds = set(map(type, values))
            simple = simple and kinds <= _SIMPLE
            if kinds <= {plain, type(None)} or (name in mapper.integers and _are_integers(values, kinds)):
                continue
            columns[at] = [None if value is None else take(value) for value in values]
            has_changed, simple = True, False
        extras = _tuples(bodies, tuple(others)) if others else ()
    except (KeyError, Unmappable):
        return None
    keys = columns[names.index(mapper.only_key)]
    if None in keys:
        return None
    if has_changed:
        rows = list(zip(*columns, strict=True))
    return NewRows(names, rows, keys, remote_ids, versions, tuple(others), extras, simple)


def _tuples(bodies: Sequence[Mapping[str, Any]], names: tuple[str, ...]) -> list[tuple[Any, ...]]:
    if len(names) == 1:
        return [(body[names[0]],) for body in bodies]
    take = cast("Callable[[Any], tuple[Any, ...]]", itemgetter(*names))
    return list(map(take, bodies))


def _are_integers(values: Sequence[Any], kinds: set[type]) -> bool:
    """True where they are numbers that SQLite's integers can hold, or None."""
    if not kinds <= _INTEGERS:
        return False
    numbers = values if len(kinds) == 1 else [value for value in values if value is not None]
    return min(numbers) >= -LARGEST and max(numbers) < LARGEST
