"""Carrying effects out: one short transaction, under the holder's fence.

A page of a pull is written with ``synchronous=NORMAL``: a power cut may take the last pages, each with the
cursor behind it, and they are pulled again. What a person decided, a seal and what a remote answered are on
the disk before ``write`` returns: a mutation id must not vanish after it was sent.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from windlass.change import Change, Effect, Key, NewRows
from windlass.errors import StoreError, SweepRefused
from windlass.store.ledger import Hold, PullState, Quarantined
from windlass.store.sqlite.connections import LOG_LIMIT
from windlass.store.sqlite.ledger.applying import REFUSALS, Batch, Refusal
from windlass.store.sqlite.ledger.base import LedgerRole, Resource
from windlass.store.sqlite.ledger.batching import unpack
from windlass.store.sqlite.ledger.clearing import clear_journal, edited_since
from windlass.store.sqlite.ledger.inserting import encoded, insert
from windlass.store.sqlite.ledger.statements import SQL
from windlass.store.sqlite.ledger.values import encode_keys

log = logging.getLogger("windlass.store")

_ARRIVALS_KEPT = 500
"""Writes whose keys are remembered for followers."""
_LOG_MOST = 2 * LOG_LIMIT
_A_HANDFUL = 10
"""So few absent rows are never a reason to ask."""
_BEFORE_ALL = float("-inf")
"""Every key comes after it: numbers come before texts, and texts before bytes."""


class _Order(NamedTuple):
    """What ``write`` was asked for."""

    hold: Hold
    look: int
    effects: Sequence[Effect]
    state: PullState | None
    quarantine: Sequence[Quarantined]
    released: Sequence[str]
    all_or_nothing: bool
    batch: int | None


class Writing(LedgerRole):
    """The cycle's changes."""

    def write(
        self,
        hold: Hold,
        look: int,
        effects: Sequence[Effect],
        *,
        state: PullState | None = None,
        quarantine: Sequence[Quarantined] = (),
        released: Sequence[str] = (),
        all_or_nothing: bool = False,
        refused: list[Key] | None = None,
        batch: int | None = None,
    ) -> list[Key]:
        """See the protocol. ``state`` goes in only where nothing was skipped: it would pass what was."""
        order = _Order(hold, look, effects, state, (*quarantine,), released, all_or_nothing, batch)
        try:
            return self._write(order, each=False)
        except REFUSALS:
            # Everything was rolled back. Once more, so that only the one that is refused stays out.
            return self._write(order, each=True, refused=refused)

    def _write(self, order: _Order, *, each: bool, refused: list[Key] | None = None) -> list[Key]:
        now_us = self.clock.wall_us()
        look, state = order.look, order.state
        with self.database.write(full=_must_last(order.effects)) as connection:
            found = self.held_by(connection, order.hold)
            effects, skipped = _unmoved(connection, found.id, order.effects, look)
            if skipped and order.all_or_nothing:
                return skipped
            batch = Batch(connection, found, generation=_generation(found, state), now_us=now_us)
            refusals: list[Refusal] = []
            connection.execute(SQL["silence"], (found.id,))
            if each:
                done, refusals = batch.carry_out_each(effects)
            else:
                done = batch.carry_out(effects)
            connection.execute(SQL["speak"], (found.id,))
            batch.mark_seen(skipped)
            clear_journal(connection, found.id, [key for key, _ in done], look)
            if order.batch is not None:
                settled = {key for key, _ in done} - {key for key, _ in refusals}
                unpack(connection, found, now_us, number=order.batch, settled=settled)
            _release(connection, found.id, order.released)
            connection.executemany(
                SQL["quarantine"],
                [(found.id, one.remote_id, one.document, one.reason, one.seen_at_us or now_us)
                 for one in (*order.quarantine, *(told for _, told in refusals))],
            )  # fmt: skip
            arrived = [key for key, effect in done if effect.remote]
            if arrived:
                _arrive(connection, found.id, encode_keys(arrived))
            if state is not None and not skipped:
                _set_state(connection, found.id, state)
        if refused is not None:
            refused += [key for key, _ in refusals if key is not None]
        self._after(arrived=bool(arrived))
        return skipped

    def write_new(self, hold: Hold, new: NewRows, state: PullState, released: Sequence[str] = ()) -> bool:
        """See the protocol."""
        try:
            told = encoded(new)
            with self.database.write(full=False) as connection:
                found = self.held_by(connection, hold)
                if not insert(connection, found, new, told, _generation(found, state) or 0):
                    return False
                _release(connection, found.id, released)
                _arrive(connection, found.id, told.keys)
                _set_state(connection, found.id, state)
        except REFUSALS:
            return False
        self._after(arrived=True)
        return True

    def _after(self, *, arrived: bool) -> None:
        if arrived:
            self.bells.ring("watch")
        # A dispatcher moves the log, but not as fast as a first pull fills it. Not again before it has grown
        # as much once more: a reader may be in the way.
        size = self.database.log_bytes()
        if size < self._log_tried:
            self._log_tried = 0
        if size - self._log_tried > _LOG_MOST:
            self._log_tried = size
            try:
                self.database.checkpoint(force=True)
            except StoreError as error:
                # What was written is committed: the caller must not be told otherwise.
                log.warning("the log could not be copied into the database: %s", error)

    _log_tried = 0
    """The log's size when it was last copied into the database."""

    def sweep(self, hold: Hold, *, max_share: float, after: Key | None = None, limit: int = 500) -> list[Key]:
        """See the protocol."""
        with self.reading() as connection:
            found = self.held_by(connection, hold)
            generation = found.state.generation
            if after is None:
                _refuse_too_many(connection, found, hold.resource, max_share)
            beyond = _BEFORE_ALL if after is None else after
            return [
                row[0] for row in connection.execute(SQL["unseen"], (found.id, beyond, generation, limit))
            ]


def _refuse_too_many(connection: sqlite3.Connection, found: Resource, resource: str, share: float) -> None:
    absent = connection.execute(SQL["unseen_count"], (found.id, found.state.generation)).fetchone()[0]
    if absent <= _A_HANDFUL:
        return
    total = connection.execute(SQL["shadow_count"], (found.id,)).fetchone()[0]
    if absent > share * total:
        raise SweepRefused(
            f"{resource}: {absent} of {total} rows are absent from the remote, more than the allowed share "
            f"of {share:g}: nothing was deleted; if they are gone for good, allow a larger share once"
        )


def _unmoved(
    connection: sqlite3.Connection, resource: int, effects: Sequence[Effect], mark: int
) -> tuple[Sequence[Effect], list[Key]]:
    """The effects whose keys were not edited since that mark, and the keys of the others."""
    moved = edited_since(connection, resource, mark) if effects else set[Key]()
    if not moved:
        return effects, []
    skipped = [effect.key for effect in effects if effect.key is not None and effect.key in moved]
    return [effect for effect in effects if effect.key not in moved], skipped


def _arrive(connection: sqlite3.Connection, resource: int, keys: str) -> None:
    """Tells followers; ``keys`` is a JSON array."""
    connection.execute(SQL["arrive"], (resource, keys))
    connection.execute(SQL["arrivals_prune"], (resource, _ARRIVALS_KEPT))


def _set_state(connection: sqlite3.Connection, resource: int, state: PullState) -> None:
    connection.execute(SQL["set_state"], (msgspec.json.encode(state).decode(), resource))


def _release(connection: sqlite3.Connection, resource: int, remote_ids: Sequence[str]) -> None:
    if remote_ids and connection.execute(SQL["quarantine_has"], (resource,)).fetchone() is not None:
        connection.executemany(SQL["quarantine_release"], [(resource, one) for one in remote_ids])


def _must_last(effects: Sequence[Effect]) -> bool:
    """True where something is sealed: that must be on the disk before it is sent (P2).

    What a power cut takes of all else comes again: an answer to a change that is still sealed, by its resend
    under the same mutation id; a page, by the cursor that went with it.
    """
    for _, _, _, sent, _, _, _, _, explicit in effects:
        if isinstance(sent, Change) or (explicit and any(one.mutation_id for one in explicit)):
            return True
    return False


def _generation(found: Resource, state: PullState | None) -> int | None:
    """The number of the enumeration under way, with which all keys are marked; None: there is none."""
    if state is not None and state.enumerating:
        return state.generation
    stored = found.state
    return stored.generation if stored.enumerating else None
