"""Pull: one page after the other, each applied together with the cursor behind it (L1).

A pull under way is a ``PullState``: it can end after any page and goes on from there. Three kinds of state:

* ``next_page`` is None: the next request is a first page, with the cursor and the validator.
* ``next_page`` is a token of the remote's: the pull goes on with it.
* ``next_page`` is ``SWEEPING``: every page of a complete pull is applied, and what it did not mention is
  being deleted here.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from functools import partial

import msgspec

from windlass.change import KEEP, KEY_TAKEN, Effect, Key, RemoteRow, Standing, may_be_one
from windlass.errors import BadResponse, CursorExpired, PageTooLarge, RemoteError, SweepRefused, SyncError
from windlass.store.ledger import Hold, Mark, PullState, Quarantined
from windlass.sync.ahead import Ahead
from windlass.sync.arriving import ID_TAKEN, ORPHAN, apart, arrived, in_our_words, quarantined
from windlass.sync.cycle import ROUNDS, Cycle, what_is_over
from windlass.sync.identity import new_key
from windlass.sync.pulled import Pulled
from windlass.sync.reconcile import fold, is_new, receive, received_new
from windlass.sync.remote import Ask, Document, Page
from windlass.sync.tabulating import new_rows

SWEEPING = "windlass:sweep"
_RETRIED = 100
"""Rows of the quarantine that a pull looks at: those that wait for a parent are fetched again, for it may be
there by now …"""
_AGAIN_US = 86_400_000_000
"""… and the others once a day, for the table or the program may have changed."""
_MANY = 20
"""A page of so many rows is tried as one of new rows: where it is none, little is lost."""
replace = msgspec.structs.replace


class Pull:
    """One pull of one resource."""

    def __init__(
        self,
        cycle: Cycle,
        *,
        report: Callable[[int, int | None], None],
        stopping: Callable[[], bool],
        anew: bool = False,
        may_sweep_all: bool = False,
    ) -> None:
        self._cycle = cycle
        self._report = report
        self._stopping = stopping
        self._anew = anew
        self._columns = [column.name for column in cycle.table.columns]
        self._may_sweep_all = may_sweep_all
        self._limits = cycle.limits
        self._ahead = Ahead(cycle.remote)
        self._total: int | None = None
        self._began_anew = False
        self._expects_new = True
        self._state = PullState()
        self.done = Pulled()

    def run(self, hold: Hold) -> Pulled:
        """Pulls until the remote has told everything, or until it is to stop.

        Raises:
            RemoteError: the remote must be left alone for a while; every page before is kept.
        """
        ledger, name = self._cycle.ledger, self._cycle.name
        self._state = ledger.state(name)
        if self._anew and set(self._state.columns or ()) != set(self._columns):
            # What is absent, and what a new column would have held, shows only where everything is told. One
            # that began so and was cut off goes on.
            self._keep(hold, from_the_start(self._state, self._columns))
        self._retry_quarantined(hold)
        try:
            self._pages(hold)
        finally:
            self._ahead.close()
        if self.done.deleted:
            self._retry_taken(hold)
        return self.done

    def _pages(self, hold: Hold) -> None:
        while not self._stopping():
            if self._state.next_page == SWEEPING:
                self._sweep(hold)
                break
            page = self._ask(hold)
            self._cycle.origin.answered()
            if page is None:
                continue
            if page.next_page is None:
                self._apply(hold, page)
            else:
                self._ahead.ask(self._ask_for(page.next_page), partial(self._apply, hold, page))
            if page.not_modified or self._state.next_page is None:
                break

    # ── one page ───────────────────────────────────────────────────────────────────────────────
    def _ask(self, hold: Hold) -> Page | None:
        """The next page; None: it could not be had so, and the state says how to ask now."""
        state = self._state
        ask = self._ask_for(state.next_page)
        try:
            return self._ahead.page(ask)
        except CursorExpired:
            # L3: everything anew. The queue stays, and what is deleted there is found by its absence.
            if self._began_anew:
                raise
            self._began_anew = True
            self._keep(hold, from_the_start(state, self._columns))
        except PageTooLarge:
            if ask.limit <= 1:
                raise
            self._keep(hold, replace(state, page_size=ask.limit // 2))
        return None

    def _ask_for(self, page: str | None) -> Ask:
        state = self._state
        size = state.page_size or self._cycle.settings.page_size
        return Ask(state.cursor, page, state.validator if page is None else None, size)

    def _apply(self, hold: Hold, page: Page) -> None:
        state = self._state
        if page.not_modified:
            self.done.not_modified = True
            self._keep(hold, replace(state, pulled_at_us=self._cycle.clock.wall_us(), next_page=None))
            self._told()
            return
        first = state.next_page is None
        if first:
            self._total = page.total
            self.done.max_age_s = page.max_age_s
            whole = page.complete
            state = replace(
                state,
                watermark=page.watermark,
                watermark_validator=page.validator,
                enumerating=whole,
                generation=state.generation + 1 if whole else state.generation,
                received=0,
            )
        elif page.watermark is not None:
            state = replace(state, watermark=page.watermark)
        after = replace(state, received=state.received + len(page.documents), next_page=page.next_page)
        if page.next_page is None:
            after = replace(after, next_page=SWEEPING) if state.enumerating else self._ended(after)
        self._receive(hold, page.documents, after)
        self.done.received += len(page.documents)
        self._told()

    def _told(self) -> None:
        self.done.pages += 1
        self._report(self._state.received, self._total)

    def _ended(self, state: PullState) -> PullState:
        """The state after a pull that told everything: the watermark becomes the cursor."""
        self.done.ended = True
        return replace(
            state,
            cursor=state.watermark if state.watermark is not None else state.cursor,
            validator=state.watermark_validator,
            watermark=None,
            watermark_validator=None,
            next_page=None,
            enumerating=False,
            columns=None,
            page_size=_larger(state.page_size, self._cycle.settings.page_size),
            pulled_at_us=self._cycle.clock.wall_us(),
        )

    # ── its rows ───────────────────────────────────────────────────────────────────────────────
    def _receive(self, hold: Hold, documents: Sequence[Document], after: PullState) -> None:
        """Applies a page's rows with the state behind it; rows that are edited meanwhile go first."""
        if self._expects_new and len(documents) >= _MANY and self._insert(hold, documents, after):
            return
        now_us = self._cycle.clock.wall_us()
        rows, bad = arrived(self._cycle, documents, now_us)
        for _ in range(ROUNDS):
            look, standings = self._look(rows)
            taken, odd = apart(self._cycle, rows, standings)
            effects = self._effects(taken, standings, after, now_us)
            unwritten = [*bad, *quarantined(documents, odd, now_us)]
            if after.enumerating and unwritten:
                # What cannot be written is there all the same: it is not absent.
                others = self._others(rows, standings, odd)
                there = [one for one in unwritten if one.remote_id not in others]
                effects += self._there(there, standings, effects, now_us)
            # The state goes in with the rows it speaks of. Where a row is edited at this moment, it and its
            # page are applied again before the state: an effect that is applied twice changes nothing.
            released = [row.remote_id for row in rows]
            refused: list[Key | None] = []
            moved = self._write(hold, look, effects, unwritten, released, after, refused)
            if not moved:
                done = self.done.count(effects, unwritten, refused)
                self.done.over += what_is_over(standings.values(), done)
                return
        raise SyncError(f"{self._cycle.name}: rows are edited faster than they can be read")

    def _others(
        self, rows: Sequence[RemoteRow], standings: dict[str, Standing], odd: Container[str]
    ) -> set[str]:
        """Of these odd ids: those of rows which cannot be the ones that have their keys here. That they were
        told of says nothing of those."""
        names = self._cycle.table.key
        return {
            row.remote_id
            for row in rows
            if row.remote_id in odd
            and (shadow := standings[row.remote_id].shadow) is not None
            and not may_be_one(shadow, row, names)
        }

    def _there(
        self,
        unwritten: Sequence[Quarantined],
        standings: dict[str, Standing],
        effects: Sequence[Effect],
        now_us: int,
    ) -> list[Effect]:
        """Effects that say of the keys of these, or of those they would have, that they were told of."""
        cycle, done = self._cycle, {effect.key for effect in effects}
        remote_ids = [one.remote_id for one in unwritten]
        keys = set(cycle.ledger.keys_of(cycle.name, remote_ids).values())
        keys.update(standings[one].key for one in remote_ids if one in standings)
        look = cycle.ledger.look(cycle.name, list(keys - done))
        return [fold(standing, now_us) for standing in look.standings]

    def _insert(self, hold: Hold, documents: Sequence[Document], after: PullState) -> bool:
        """The short way of a page of nothing but new rows; False: it is none, and nothing was done."""
        cycle = self._cycle
        if cycle.settings.ids != "client" or any(one.server_ids for one in cycle.parents):
            return False
        new = new_rows(cycle.mapper, documents)
        if new is None or not cycle.ledger.write_new(hold, new, after, new.remote_ids):
            return False
        self._state = after
        self.done.written += len(new.rows)
        return True

    def _write(
        self,
        hold: Hold,
        look: Mark,
        effects: Sequence[Effect],
        bad: Sequence[Quarantined],
        released: Sequence[str],
        after: PullState,
        refused: list[Key | None],
    ) -> list[Key]:
        moved = self._cycle.ledger.write(
            hold, look, effects, state=after, quarantine=bad, released=released, all_or_nothing=True,
            refused=refused,
        )  # fmt: skip
        if not moved:
            self._state = after
        return moved

    def _look(self, rows: Sequence[RemoteRow]) -> tuple[Mark, dict[str, Standing]]:
        """The standings by remote id; a row that is new here has none."""
        cycle = self._cycle
        if cycle.settings.ids == "client":
            keys = {row.remote_id: self._key(row) for row in rows}
            look = cycle.ledger.look(cycle.name, list(keys.values()))
            by_key = {standing.key: standing for standing in look.standings}
            return look.mark, {remote_id: by_key[key] for remote_id, key in keys.items()}
        look = cycle.ledger.look(cycle.name, remote_ids=[row.remote_id for row in rows])
        return look.mark, {
            standing.shadow.remote_id: standing
            for standing in look.standings
            if standing.shadow is not None and standing.shadow.remote_id is not None
        }

    def _key(self, row: RemoteRow) -> Key:
        mapper = self._cycle.mapper
        return mapper.key_of(row.remote_id) if row.row is None else mapper.key(row)

    def _effects(
        self, rows: Sequence[RemoteRow], standings: dict[str, Standing], after: PullState, now_us: int
    ) -> list[Effect]:
        is_first = all(map(is_new, standings.values())) and len(standings) == len(rows)
        self._expects_new = is_first
        if is_first and None not in [row.row for row in rows]:
            completed = self._cycle.mapper.completed
            return [received_new(standings[row.remote_id].key, completed(row)) for row in rows]
        effects: list[Effect] = []
        for row in in_our_words(self._cycle.mapper, rows, standings):
            effect = self._effect(standings.get(row.remote_id), row, now_us)
            if not _is_nothing(effect) or (after.enumerating and effect.key is not None):
                effects.append(effect)
        return effects

    def _effect(self, standing: Standing | None, row: RemoteRow, now_us: int) -> Effect:
        policy, mapper = self._cycle.settings.on_conflict, self._cycle.mapper
        if standing is None or (standing.row is None and standing.shadow is None):
            row = mapper.completed(row)
        if standing is not None:
            return receive(standing, row, policy, now_us, self._limits)
        if row.row is None:
            return Effect(None)
        if self._cycle.table.makes_keys:
            return receive(Standing(0, None, None), row, policy, now_us, self._limits)._replace(key=None)
        key = new_key(self._cycle.table, self._cycle.clock)
        whole = row._replace(row=mapper.with_key(row.row, key))
        return receive(Standing(key, None, None), whole, policy, now_us, self._limits)

    # ── what is absent ─────────────────────────────────────────────────────────────────────────
    def _sweep(self, hold: Hold) -> None:
        """Deletes what a complete enumeration has not mentioned, unless so much is absent that it may be a
        mistake."""
        cycle = self._cycle
        share = 1.0 if self._may_sweep_all else cycle.settings.sweep_share
        policy, now_us = cycle.settings.on_conflict, cycle.clock.wall_us()

        def absent(standing: Standing) -> Effect:
            remote_id = standing.shadow.remote_id if standing.shadow else None
            return receive(
                standing, RemoteRow(remote_id or str(standing.key), None), policy, now_us, self._limits
            )

        try:
            after: Key | None = None
            while keys := cycle.ledger.sweep(hold, max_share=share, after=after):
                refused: list[Key | None] = []
                effects = cycle.step(
                    hold, keys, absent, over=self.done.over, state=self._state, refused=refused
                )
                self.done.count(effects, (), refused)
                after = keys[-1]
        except SweepRefused as error:
            self.done.sweep_refused = str(error)
            # Without a validator: that nothing has changed there must not hide what is absent.
            self._state = replace(self._state, watermark_validator=None)
        self._keep(hold, self._ended(self._state))

    # ── what could not be applied before ───────────────────────────────────────────────────────
    def _retry_quarantined(self, hold: Hold) -> None:
        young_us = self._cycle.clock.wall_us() - _AGAIN_US
        # Nothing but an edit there mends the others, and that is told by the pull.
        self._retry(hold, lambda one: one.reason.startswith(ORPHAN) or one.seen_at_us <= young_us)

    def _retry_taken(self, hold: Hold) -> None:
        """Rows are gone, and keys with them, which those that could not have them may have now."""
        if not self._retry(hold, lambda one: one.reason.startswith((ID_TAKEN, KEY_TAKEN))):
            # A next pull that hears of no news would not be told of them.
            self._keep(hold, replace(self._state, validator=None))

    def _retry(self, hold: Hold, which: Callable[[Quarantined], bool]) -> bool:
        """Fetches these rows of the quarantine again; False: one of them could not be had."""
        cycle, is_all = self._cycle, True
        documents: list[Document] = []
        for one in filter(which, cycle.ledger.quarantined(cycle.name, _RETRIED)):
            try:
                documents.append(cycle.remote.fetch(one.remote_id))
            except BadResponse:
                is_all = False
            except RemoteError:
                # Not now, then: the pull itself tells what is wrong with the remote.
                is_all = False
                break
        if documents:
            self._receive(hold, documents, self._state)
        return is_all

    def _keep(self, hold: Hold, state: PullState) -> None:
        self._cycle.ledger.write(hold, 0, (), state=state)
        self._state = state


def _larger(size: int | None, wanted: int) -> int | None:
    """A page size that was reduced grows again, pull by pull."""
    return None if size is None or size * 2 >= wanted else size * 2


def from_the_start(state: PullState, columns: Sequence[str]) -> PullState:
    """The state before a pull of everything, for a table of these columns."""
    return PullState(
        generation=state.generation,
        pulled_at_us=state.pulled_at_us,
        page_size=state.page_size,
        columns=tuple(columns),
    )


def _is_nothing(effect: Effect) -> bool:
    return (
        effect.row is KEEP
        and effect.shadow is KEEP
        and effect.pending is KEEP
        and effect.sent is KEEP
        and effect.conflict is KEEP
    )
