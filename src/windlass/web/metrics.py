"""``/metrics``, for Prometheus: needs the token, like all else.

What is told stands in ``contrib/prometheus.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from windlass.app import Windlass
from windlass.web.routing import Call, Plain, Problem, Routes

if TYPE_CHECKING:
    from windlass.contrib.prometheus import WindlassCollector

routes = Routes("metrics")

_collectors: WeakKeyDictionary[Windlass, WindlassCollector] = WeakKeyDictionary()


@routes.get("/metrics")
def metrics(call: Call) -> Plain:
    """All metrics, in Prometheus' text format."""
    try:
        from windlass.contrib.prometheus import CONTENT_TYPE, WindlassCollector, metrics_text
    except ImportError:
        raise Problem(
            404,
            "no_metrics",
            "metrics need the package prometheus-client",
            way_out="install Windlass with the extra `metrics`",
        ) from None
    # One for each app: what it has counted up to now needs not be read again.
    collector = _collectors.setdefault(call.app, WindlassCollector(call.app))
    return Plain(content=metrics_text(collector), media_type=CONTENT_TYPE)
