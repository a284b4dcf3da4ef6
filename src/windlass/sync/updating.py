"""Updates as requests, a column at a time: what ``request_of`` makes of each, where nothing is odd."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from windlass.sync.places import ETag, Version
from windlass.sync.remote import Outgoing, Updates
from windlass.sync.sending import Request, item_frame

if TYPE_CHECKING:
    from windlass.sync.rest import RestRemote

_NONE: Mapping[str, str] = {}


class UpdateStyle(NamedTuple):
    """How one remote is told of updates."""

    method: str
    before: str
    """What comes before an item's id in its address …"""
    after: str
    """… and what comes after it."""
    headers: Mapping[str, str]
    version: Version | None
    key_header: str | None
    """The header for a change's key; None: it carries none."""
    wrap: str | None

    def requests(self, changes: Sequence[Outgoing]) -> list[Request] | None:
        """A request for each; None: they are to be made one by one."""
        if isinstance(changes, Updates):
            _, mutations, ids, changed, documents, bases = changes.columns
        else:
            _, operations, mutations, ids, changed, documents, bases, _ = zip(*changes, strict=True)
            if set(operations) != {"update"}:
                return None
        if not all(ids) or (self.version is not None and None in bases):
            return None
        # Letters and digits are written into an address as they are.
        every = "".join(cast("Sequence[str]", ids))
        if not (every.isascii() and every.isalnum()):
            return None
        before, after = self.before, self.after
        urls = [f"{before}{one}{after}" for one in ids]
        bodies: Iterable[Any] = changed if self.method == "PATCH" else documents
        if set(map(type, bodies)) != {dict}:
            bodies = map(dict, bodies)
        if self.wrap is not None:
            bodies = [{self.wrap: body} for body in bodies]
        headers, params = self._headers(mutations, cast("Sequence[str]", bases))
        return list(map(Request, repeat(self.method), urls, params, headers, bodies))

    def _headers(
        self, mutations: Sequence[str], bases: Sequence[str]
    ) -> tuple[list[dict[str, str]], Iterable[Mapping[str, str]]]:
        always, params = dict(self.headers), cast("Iterable[Mapping[str, str]]", repeat(_NONE))
        if type(self.version) is ETag:
            # As its ``condition``, without a call for each.
            told = [{**always, "If-Match": base.removeprefix("W/")} for base in bases]
        else:
            told = [always.copy() for _ in bases]
        if self.key_header is not None:
            told = [{self.key_header: one, **headers} for one, headers in zip(mutations, told, strict=True)]
        if self.version is not None and type(self.version) is not ETag:
            conditions = list(map(self.version.condition, bases))
            params = [only.params for only in conditions]
            for headers, only in zip(told, conditions, strict=True):
                headers.update(only.headers)
        return told, params


def updates_of(remote: RestRemote, version: Version | None) -> UpdateStyle | None:
    """How updates become requests of this remote; None: ``request_of`` is to be asked for each."""
    if remote.operations or remote.item.count("{id}") > 1:
        return None
    before, after = item_frame(remote.collection, remote.item)
    key_header = remote.key_header if remote.dedupes else None
    return UpdateStyle(remote.update, before, after, remote.item_headers, version, key_header, remote.wrap)
