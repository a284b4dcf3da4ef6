"""The statements in ``sql/``, by name."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "sql"

SQL: dict[str, str] = {file.stem: file.read_text(encoding="utf-8") for file in sorted(FOLDER.glob("*.sql"))}
"""``SQL["promote"]`` is the text of ``sql/promote.sql``."""
