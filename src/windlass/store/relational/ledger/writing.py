"""Carrying effects out: one short transaction, under the holder's fence.

A page of a pull is not written durably: a power cut may take the last pages, each with the cursor behind it,
and they are pulled again. What a person decided, a seal and what a remote answered are on
the disk before ``write`` returns: a mutation id must not vanish after it was sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from windlass.change import KEEP, Change, Effect, Key, NewRows
from windlass.errors import StoreUnavailable, SweepRefused, SyncError
from windlass.store.ledger import Hold, Mark, PullState, Quarantined
from windlass.store.relational.engine import Connection
from windlass.store.relational.ledger.applying import Batch, Done, Refusal, refusal_of
from windlass.store.relational.ledger.base import A_HANDFUL, LedgerRole, Resource, generation_of
from windlass.store.relational.ledger.batching import unpack
from windlass.store.relational.ledger.inserting import encoded, insert
from windlass.store.relational.ledger.statements import SQL
from windlass.store.relational.ledger.values import encode_keys

_ARRIVALS_KEPT = 500
"""Writes whose keys are remembered for followers."""
_TRIES = 5
"""So often a write is begun again because its rows were edited meanwhile, before it is given up."""


class _Overtaken(StoreUnavailable):
    """Somebody edited a row while it was written. Everything was rolled back."""


class _Order(NamedTuple):
    """What ``write`` was asked for."""

    hold: Hold
    look: Mark
    effects: Sequence[Effect]
    state: PullState | None
    quarantine: Sequence[Quarantined]
    released: Sequence[str]
    all_or_nothing: bool
    batch: int | None
    strict: bool


class Writing(LedgerRole):
    """The cycle's changes."""

    def write(
        self,
        hold: Hold,
        look: Mark,
        effects: Sequence[Effect],
        *,
        state: PullState | None = None,
        quarantine: Sequence[Quarantined] = (),
        released: Sequence[str] = (),
        all_or_nothing: bool = False,
        refused: list[Key | None] | None = None,
        batch: int | None = None,
        strict: bool = False,
    ) -> list[Key]:
        """See the protocol. ``state`` goes in only where nothing was skipped: it would pass what was."""
        order = _Order(hold, look, effects, state, (*quarantine,), released, all_or_nothing, batch, strict)
        for tried in range(1, _TRIES + 1):
            try:
                return self._once(order, refused)
            except _Overtaken:
                # Everything was rolled back. The edits that came in between are seen now, and skipped.
                if tried == _TRIES:
                    raise
        raise AssertionError("unreachable")

    def _once(self, order: _Order, refused: list[Key | None] | None) -> list[Key]:
        try:
            return self._write(order, each=False)
        except self.ground.refusals as error:
            if order.strict:
                raise SyncError(f"{order.hold.resource}: {refusal_of(error)}; nothing was changed") from error
            # Everything was rolled back. Once more, so that only the one that is refused stays out.
            return self._write(order, each=True, refused=refused)

    def _write(self, order: _Order, *, each: bool, refused: list[Key | None] | None = None) -> list[Key]:
        now_us = self.clock.wall_us()
        look, state = order.look, order.state
        with self.ground.writing(full=_must_last(order.effects)) as connection:
            found = self.held_by(connection, order.hold)
            effects, skipped = _unmoved(connection, found, order.effects, look)
            if skipped and order.all_or_nothing:
                return skipped
            batch = Batch(connection, found, generation=generation_of(found, state), now_us=now_us)
            refusals: list[Refusal] = []
            connection.execute(SQL["silence"], (found.id,))
            if each:
                done, refusals = batch.carry_out_each(effects)
            else:
                done = batch.carry_out(effects)
                self.ground.settle(connection)
            connection.execute(SQL["speak"], (found.id,))
            _refuse_overtaken(connection, found, done, look)
            batch.mark_seen(skipped)
            self.ground.clear_journal(connection, found.id, [key for key, _ in done], look)
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
            refused += [key for key, _ in refusals]
        self._after(arrived=bool(arrived))
        return skipped

    def write_new(self, hold: Hold, new: NewRows, state: PullState, released: Sequence[str] = ()) -> bool:
        """See the protocol."""
        try:
            told = encoded(new)
            with self.ground.writing(full=False) as connection:
                found = self.held_by(connection, hold)
                if not insert(connection, found, new, told, generation_of(found, state) or 0):
                    return False
                _release(connection, found.id, released)
                _arrive(connection, found.id, told.keys)
                _set_state(connection, found.id, state)
        except self.ground.refusals:
            return False
        self._after(arrived=True)
        return True

    def _after(self, *, arrived: bool) -> None:
        if arrived:
            self.bells.ring("watch")
        self.ground.after_write()

    def sweep(self, hold: Hold, *, max_share: float, after: Key | None = None, limit: int = 500) -> list[Key]:
        """See the protocol."""
        with self.ground.reading() as connection:
            found = self.held_by(connection, hold, reads=True)
            generation = found.state.generation
            if after is None:
                if not _absent(connection, found, hold.resource, max_share):
                    return []
                rows = connection.execute(SQL["unseen"], (found.id, generation, limit))
            else:
                rows = connection.execute(SQL["unseen_after"], (found.id, after, generation, limit))
            return [row[0] for row in rows]


def _absent(connection: Connection, found: Resource, resource: str, share: float) -> int:
    """How many rows the remote has not told of.

    Raises:
        SweepRefused: they are more than that share of all.
    """
    absent = connection.execute(SQL["unseen_count"], (found.id, found.state.generation)).fetchone()[0]
    if absent <= A_HANDFUL:
        return absent
    total = connection.execute(SQL["shadow_count"], (found.id,)).fetchone()[0]
    if absent > share * total:
        raise SweepRefused(
            f"{resource}: {absent} of {total} rows are absent from the remote, more than the allowed share "
            f"of {share:g}: nothing was deleted; if they are gone for good, allow a larger share once"
        )
    return absent


def _unmoved(
    connection: Connection, found: Resource, effects: Sequence[Effect], mark: Mark
) -> tuple[Sequence[Effect], list[Key]]:
    """The effects whose keys were not edited since that mark, and the keys of the others."""
    moved = found.ground.edited_since(connection, found.id, mark) if effects else set[Key]()
    if not moved:
        return effects, []
    skipped = [effect.key for effect in effects if effect.key is not None and effect.key in moved]
    return [effect for effect in effects if effect.key not in moved], skipped


def _refuse_overtaken(connection: Connection, found: Resource, done: Done, mark: Mark) -> None:
    """Raises where somebody edited one of the rows after it was looked for and before it was written."""
    written = [key for key, effect in done if effect.row is not KEEP]
    if written and found.ground.is_overtaken(connection, found.id, written, mark):
        raise _Overtaken(
            f"the rows of {found.table_name!r} are edited faster than they can be written: nothing was "
            "written; try again"
        )


def _arrive(connection: Connection, resource: int, keys: str) -> None:
    """Tells followers; ``keys`` is a JSON array."""
    connection.execute(SQL["arrive"], (resource, keys))
    connection.execute(SQL["arrivals_prune"], (resource, _ARRIVALS_KEPT))


def _set_state(connection: Connection, resource: int, state: PullState) -> None:
    connection.execute(SQL["set_state"], (msgspec.json.encode(state).decode(), resource))


def _release(connection: Connection, resource: int, remote_ids: Sequence[str]) -> None:
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
