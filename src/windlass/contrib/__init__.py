"""Bridges to other libraries, each imported by whoever has that library."""

from __future__ import annotations
