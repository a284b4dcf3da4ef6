"""Payloads and results as they are shown: without what is called like a secret, and without known secrets.

>>> restored({"password": "[redacted]", "copies": 2}, {"password": "hunter2"})
{'password': 'hunter2', 'copies': 2}
"""

from __future__ import annotations

from typing import Any, cast

import msgspec

from windlass.redact import shown, shown_member


def shown_text(value: Any) -> str:
    """The same as indented JSON text."""
    return msgspec.json.format(msgspec.json.encode(shown(value)), indent=2).decode()


def restored(given: Any, original: Any) -> Any:
    """What was edited, with the secrets of the original where it still shows them hidden."""
    if given == shown(original):
        return original
    if isinstance(given, dict) and isinstance(original, dict):
        old = cast("dict[str, Any]", original)
        members = cast("dict[str, Any]", given).items()
        return {name: _restored_member(name, value, old) for name, value in members}
    if isinstance(given, list) and isinstance(original, list):
        items, before = cast("list[Any]", given), cast("list[Any]", original)
        beyond = items[len(before) :]
        return [*(restored(one, was) for one, was in zip(items, before, strict=False)), *beyond]
    return cast("Any", given)


def _restored_member(name: str, value: Any, original: dict[str, Any]) -> Any:
    if name not in original:
        return value
    return original[name] if value == shown_member(name, original[name]) else restored(value, original[name])
