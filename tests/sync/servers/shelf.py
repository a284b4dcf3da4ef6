"""What the package's own server keeps, under the name that tests know it by."""

from __future__ import annotations

from windlass.demo.server.shelf import Check, Document, Effect, Shelf, Slice, Stored, encoded

__all__ = ["Check", "Document", "Effect", "Shelf", "Slice", "Stored", "encoded"]
