"""The field notes, as somebody at the keys meets them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from field_notes import notes
from field_notes.screens import ChoiceScreen, ConfirmScreen, LettersScreen
from field_notes.server import colleague_adds
from field_notes.widgets import Editor
from tests.examples.stage import Stage, play


def edit_there(here: Stage, note_id: str, **fields: Any) -> None:
    """Somebody else has edited the note."""
    with here.server.shelf.alone():
        here.server.shelf.put(note_id, {**fields, "updated_at": notes.now()})


def test_a_note_written_without_a_network_is_there_at_once_and_at_the_server_when_it_is_back(tmp_path: Path):
    async def story(here: Stage) -> None:
        await here.write("Owl in the barn", "North field")

        assert here.listed() == ["Owl in the barn"]
        assert here.note("Owl in the barn").place == "North field"
        await here.until_all_is("waiting", 1)
        await here.until(lambda: "offline since" in here.status(), "the line says so")
        assert "1 waiting" in here.status()
        assert "It goes to the server when there is a network." in here.strip()

        here.server.mend()
        await here.press("f5")
        await here.until_at_server("Owl in the barn")
        await here.until(lambda: "everything is at the server" in here.status(), "the line says so")
        assert "connected" in here.status()

    play(tmp_path, story, cut=True)


def test_what_a_colleague_writes_appears_by_itself(tmp_path: Path):
    async def story(here: Stage) -> None:
        await here.until(lambda: "connected" in here.status(), "the first pull")

        note = colleague_adds(here.server.shelf, "Badger setts")
        await here.until(lambda: here.listed() == ["Badger setts"], "it is listed")
        edit_there(here, note["id"], title="Badger setts, three")
        await here.until(lambda: here.listed() == ["Badger setts, three"], "the edit is listed")

    play(tmp_path, story)


def test_a_conflict_is_shown_with_its_three_sides_and_settled_by_keys(tmp_path: Path):
    async def story(here: Stage) -> None:
        await here.write("Oak 17", "Mill lane")
        await here.until_at_server("Oak 17")
        await here.until_all_is("waiting", 0)
        here.server.cut()
        await here.open("Oak 17")
        await here.type(", cracked")
        await here.press("escape")
        note = here.note("Oak 17, cracked")
        edit_there(here, note.id, title="Oak 17 is felled", place="Mill lane 4")

        here.server.mend()
        await here.press("f5")
        await here.until_all_is("conflict", 1)
        assert "1 conflict" in here.status()
        assert here.listed() == ["Oak 17, cracked"]  # nothing of it is overwritten meanwhile
        # Only theirs changed the place, so nobody has to be asked about that one.
        await here.press("f2")
        assert isinstance(here.window.screen, ChoiceScreen)
        assert here.said(".base") == "Oak 17"
        assert here.said(".line .mine") == "Oak 17, cracked"
        assert here.said(".line .theirs") == "Oak 17 is felled"
        await here.press("enter")
        assert isinstance(here.window.screen, ChoiceScreen)  # not before a side is chosen

        await here.press("m", "enter")
        await here.until_all_is("conflict", 0)
        await here.until_at_server("Oak 17, cracked")
        await here.until(lambda: here.there()[0]["place"] == here.note("Oak 17, cracked").place, "they agree")

    play(tmp_path, story)


def test_of_a_conflict_each_field_can_be_taken_from_another_side(tmp_path: Path):
    async def story(here: Stage) -> None:
        await here.write("Weir", "East")
        await here.until_at_server("Weir")
        await here.until_all_is("waiting", 0)
        here.server.cut()
        note = here.note("Weir")
        notes.edit(here.window.db, note.id, {"title": "Weir 3", "place": "South"})
        edit_there(here, note.id, title="Weir, broken", place="West")
        here.server.mend()
        await here.press("f5")
        await here.until_all_is("conflict", 1)

        await here.press("f2", "right", "left", "enter")
        await here.until_all_is("conflict", 0)
        await here.until(lambda: here.there()[0]["place"] == "South", "mine is there")
        assert here.there()[0]["title"] == "Weir, broken"
        await here.until(
            lambda: here.screen.query_one(Editor).fields()["title"] == "Weir, broken", "it is shown"
        )

    play(tmp_path, story)


def test_an_edit_is_kept_against_a_deletion(tmp_path: Path):
    async def story(here: Stage) -> None:
        await here.write("Ladder")
        await here.until_at_server("Ladder")
        await here.until_all_is("waiting", 0)
        here.server.cut()
        note = here.note("Ladder")
        notes.edit(here.window.db, note.id, {"title": "Ladder is loose"})
        with here.server.shelf.alone():
            here.server.shelf.put(note.id, {}, deleted=True)

        here.server.mend()
        await here.press("f5")
        await here.until_at_server("Ladder is loose")
        assert here.listed() == ["Ladder is loose"]

    play(tmp_path, story)


def test_a_rejected_note_shows_the_servers_own_words_and_is_sent_again_when_it_is_mended(tmp_path: Path):
    async def story(here: Stage) -> None:
        await here.write("Good one")
        await here.press("ctrl+n", "tab")
        await here.type("gate")
        await here.press("escape")
        await here.until_all_is("rejected", 1)
        assert here.state("") == "rejected"
        assert "A note needs a title." in here.strip()
        await here.until_at_server("Good one")  # the others go on

        await here.press("f3")
        assert isinstance(here.window.screen, LettersScreen)
        assert "A note needs a title. Give it one, and it is taken." in here.said("#said")
        await here.press("enter")
        await here.type("Gate is open")
        await here.press("ctrl+s")

        await here.until(lambda: here.window.screen is here.screen, "nothing is rejected any more")
        await here.until_at_server("Good one", "Gate is open")
        await here.until(lambda: "everything is at the server" in here.status(), "the line says so")

    play(tmp_path, story)


def test_a_rejected_edit_can_be_given_up_for_what_the_server_has(tmp_path: Path):
    async def story(here: Stage) -> None:
        await here.write("Short")
        await here.until_at_server("Short")
        note = here.note("Short")
        notes.edit(here.window.db, note.id, {"title": "x" * 61})
        await here.until_all_is("rejected", 1)

        await here.press("f3")
        assert "The title is too long. It has 61 characters" in here.said("#said")
        await here.press("v")

        await here.until(lambda: here.listed() == ["Short"], "it is as it was")
        await here.until_all_is("rejected", 0)

    play(tmp_path, story)


def test_what_is_being_written_is_not_taken_from_under_the_hands(tmp_path: Path):
    async def story(here: Stage) -> None:
        await here.write("Fence", "South")
        await here.until_at_server("Fence")
        await here.until_all_is("waiting", 0)
        note = here.note("Fence")
        await here.open("Fence")
        await here.type(" post 88")
        editor = here.screen.query_one(Editor)

        edit_there(here, note.id, title="Fence mended", place="North")
        await here.until(lambda: editor.fields()["place"] == "North", "what nobody writes is up to date")
        assert editor.fields()["title"] == "Fence post 88"
        assert "“Fence mended”" in here.strip()

        await here.press("f4")
        assert editor.fields()["title"] == "Fence mended"
        await here.type(" well")
        await here.press("escape")
        await here.until_at_server("Fence mended well")
        assert here.screen.outlook.count("conflict") == 0

    play(tmp_path, story)


def test_a_note_is_deleted_after_a_question_here_and_there(tmp_path: Path):
    async def story(here: Stage) -> None:
        await here.write("Old")
        await here.until_at_server("Old")

        await here.press("delete", "n")
        assert here.listed() == ["Old"]
        await here.press("delete")
        assert isinstance(here.window.screen, ConfirmScreen)
        await here.press("y")

        await here.until(lambda: here.listed() == [], "it is gone here")
        await here.until(lambda: here.there() == [], "it is gone there")
        assert here.screen.query_one("#empty").display

    play(tmp_path, story)


def test_what_was_written_is_saved_when_the_window_is_left(tmp_path: Path):
    async def story(here: Stage) -> None:
        await here.press("ctrl+n")
        await here.type("Last words")
        assert here.listed() == []

        await here.press("ctrl+q")

    play(tmp_path, story, cut=True)
    db = notes.open_notebook(tmp_path / "ann.db")
    assert [note.title for note in notes.list_notes(db)] == ["Last words"]
    db.close()


def test_paused_nothing_is_sent_until_it_goes_on(tmp_path: Path):
    async def story(here: Stage) -> None:
        await here.until(lambda: "connected" in here.status(), "the first pull")
        await here.press("f6")
        await here.until(lambda: "paused" in here.status(), "it is paused")

        await here.write("Quiet")
        await here.press("space")
        assert here.note("Quiet").done
        await here.until_all_is("waiting", 1)
        assert here.there() == []

        await here.press("f6")
        await here.until_at_server("Quiet")
        assert here.there()[0]["done"] is True

    play(tmp_path, story)
