"""What the tests of a library's transactions share."""

from __future__ import annotations

from tests.contrib.shop import path, plain, shop

__all__ = ["path", "plain", "shop"]
