"""The terminal application of ``windlass watch``: the dashboard, where a terminal is what people have.

Who may do what:

* One *view* is on show at a time: a tab, or a screen on top of the tabs. ``View.ask`` says, on the thread of
  the window, what is to be read; that runs on the reading thread; ``View.show`` draws what came back. A view
  never touches the database.
* ``pulse.py`` decides when to look: when the doorbell rings, and not before some times as long as the last
  look took. Nobody polls. What grows older by itself ("3s ago") is drawn again from what is known.
* ``window.py`` does what people ask for, in threads of its own, says how it ended, writes it to the audit
  log, and looks again.

``words.py`` and ``filtering.py`` know nothing of Textual; the command line uses the first one, too.
"""

from __future__ import annotations
