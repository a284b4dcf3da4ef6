"""Handlers: functions that run jobs, known by key, with a schema read from their signature.

A parameter is filled in when its annotation is provided (``Context``, ``Service``, a driver's ``Connection``,
and what ``provide`` registered); every other parameter is a field of the payload. ``payload: dict | None``
takes the whole object, ``**kwargs`` all fields that no parameter names; otherwise unknown fields are refused.
"""

from __future__ import annotations

from windlass.handlers.handler import Handler, Plan
from windlass.handlers.options import Options
from windlass.handlers.registry import FILLED_IN, Registry, given_by

__all__ = ["FILLED_IN", "Handler", "Options", "Plan", "Registry", "given_by"]
