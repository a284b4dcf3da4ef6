"""The dashboard: a web page and its JSON API over an app's managers, as one ASGI application.

    from windlass.web import dashboard
    asgi = dashboard(app, token=secrets.token_urlsafe(32))

How a request passes, in order: ``security.py`` (Host, Origin, who is it, may he), ``routing.py`` (which
function, with which parameters), ``answering.py`` (call it in a thread, write the audit log, make JSON or an
error of what comes out). ``events.py`` tells open pages that something has changed, and never what: they
fetch again what they show.

Nothing in here knows a table: whatever the managers of ``windlass.app`` cannot say, they are taught to.
Only the command line imports this package, when it is asked to: ``import windlass`` stays without it.
"""

from __future__ import annotations

from windlass.web.app import Dashboard, dashboard
from windlass.web.routing import Call, Plain, Problem, Routes
from windlass.web.sessions import Visitor

__all__ = ["Call", "Dashboard", "Plain", "Problem", "Routes", "Visitor", "dashboard"]
