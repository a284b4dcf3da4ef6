"""The routes of the dashboard's API: one module for each part of it, named here."""

from __future__ import annotations

PARTS: tuple[str, ...] = ("queues", "schedules")
"""Modules of this package that have a table called ``routes``."""
