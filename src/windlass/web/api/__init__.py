"""The routes of the dashboard's API: one module for each part of it; all are named here."""

from __future__ import annotations

PARTS: tuple[str, ...] = (
    "api.audit",
    "api.jobs",
    "api.overview",
    "api.queues",
    "api.schedules",
    "api.storage",
    "api.sync",
    "api.system",
    "api.workers",
    "health",
    "metrics",
)
"""Modules of ``windlass.web`` that have a table called ``routes``."""
