"""Colours, marks and words: how each state looks, wherever it is shown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from textual.theme import Theme

from field_notes.keeper import State

INK, FADED, FAINT = "#dfe3d8", "#8d978c", "#59635b"
MOSS, OCHRE, RUST, LILAC = "#8fc07a", "#e2ab5a", "#e2715f", "#bf95dd"

THEME = Theme(
    name="field",
    primary=MOSS,
    secondary="#6aa7a0",
    accent=OCHRE,
    foreground=INK,
    background="#12171a",
    surface="#171e21",
    panel="#202a2d",
    success=MOSS,
    warning=OCHRE,
    error=RUST,
    dark=True,
    variables={
        "border": "#33413f",
        "border-blurred": "#263130",
        "block-cursor-background": "#2a3a36",
        "block-cursor-foreground": INK,
        "block-cursor-text-style": "none",
        "block-cursor-blurred-background": "#202b2b",
        "input-cursor-background": OCHRE,
        "footer-background": "#12171a",
        "footer-key-foreground": OCHRE,
        "footer-description-foreground": FADED,
        "scrollbar": "#33413f",
        "scrollbar-background": "#171e21",
        "scrollbar-corner-color": "#171e21",
    },
)


def key(name: str) -> tuple[str, str]:
    """A key, as it is named in a sentence."""
    return name, f"bold {OCHRE}"


class Look(NamedTuple):
    """How a state is shown: never by its colour alone."""

    mark: str
    colour: str
    word: str


LOOKS: dict[State, Look] = {
    "there": Look("●", "#5f8a52", ""),
    "waiting": Look("↑", OCHRE, "waiting"),
    "rejected": Look("✕", RUST, "rejected"),
    "conflict": Look("⇄", LILAC, "conflict"),
}
LINKS: dict[str, Look] = {
    "connected": Look("●", MOSS, "connected"),
    "connecting": Look("◌", FADED, "not asked yet"),
    "offline": Look("○", OCHRE, "offline"),
    "paused": Look("‖", FADED, "paused"),
    "throttled": Look("◐", OCHRE, "asked to wait"),
    "unauthorized": Look("✕", RUST, "not let in"),
    "failing": Look("✕", RUST, "server trouble"),
}


def ago(moment: datetime | None, now: datetime | None = None, *, coarse: bool = False) -> str:
    """How long it is past, in a few letters.

    >>> noon = datetime(2026, 6, 1, 12, tzinfo=UTC)
    >>> ago(noon, noon), ago(noon, datetime(2026, 6, 1, 12, 7, tzinfo=UTC))
    ('just now', '7 min ago')
    """
    if moment is None:
        return "never"
    now = now or datetime.now(UTC)
    seconds = max((now - moment).total_seconds(), 0)
    if seconds < (60 if coarse else 3):
        return "just now"
    if seconds < 60:
        return f"{int(seconds)} s ago"
    if seconds < 3600:
        return f"{int(seconds // 60)} min ago"
    here = moment.astimezone()
    return here.strftime("%H:%M") if here.date() == now.astimezone().date() else here.strftime("%d %b")


def moment_of(text: str) -> datetime | None:
    """The time that a note tells; None where it tells none, since anyone may have written it."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
