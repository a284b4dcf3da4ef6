"""The colours: one set for dark terminals, one for light ones. Colour is never the only mark of anything."""

from __future__ import annotations

from rich.terminal_theme import TerminalTheme
from textual.theme import Theme

_CURSOR = {"block-cursor-text-style": "none", "input-selection-background": "#0f6b75 40%"}

DARK = Theme(
    name="windlass-dark",
    dark=True,
    primary="#56c2cd",
    secondary="#7fabff",
    accent="#56c2cd",
    success="#52c78a",
    warning="#e0a64d",
    error="#f47f77",
    foreground="#eceeee",
    background="#111314",
    surface="#181b1c",
    panel="#202425",
    variables={
        **_CURSOR,
        "block-cursor-background": "#1f4a50",
        "block-cursor-foreground": "#ffffff",
        "block-cursor-blurred-background": "#252a2c",
        "footer-key-foreground": "#56c2cd",
        "footer-description-foreground": "#aab1b4",
    },
)
LIGHT = Theme(
    name="windlass-light",
    dark=False,
    primary="#0f6b75",
    secondary="#2456c4",
    accent="#0f6b75",
    success="#177245",
    warning="#8f5200",
    error="#bd2c2a",
    foreground="#171a1b",
    background="#fafaf9",
    surface="#ffffff",
    panel="#ebeeec",
    variables={
        **_CURSOR,
        "block-cursor-background": "#c5e4e7",
        "block-cursor-foreground": "#0b1213",
        "block-cursor-blurred-background": "#e3e7e5",
        "footer-key-foreground": "#0f6b75",
        "footer-description-foreground": "#50575a",
    },
)


def _ansi(background: str, foreground: str, *normal: str) -> TerminalTheme:
    """The eight colours that texts name: black, red, green, yellow, blue, magenta, cyan, white."""
    colours = [_rgb(one) for one in normal]
    return TerminalTheme(_rgb(background), _rgb(foreground), colours, colours)


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


_ON_DARK = "#000000 #f47f77 #52c78a #e0a64d #7fabff #c594e8 #56c2cd #eceeee"
_ON_LIGHT = "#000000 #bd2c2a #177245 #8f5200 #2456c4 #7a3aa8 #0f6b75 #ffffff"
ANSI_DARK = _ansi("#111314", "#eceeee", *_ON_DARK.split())
ANSI_LIGHT = _ansi("#fafaf9", "#171a1b", *_ON_LIGHT.split())
