"""Field notes: an app on a plain SQLite table, which Windlass keeps in step with a server.

``notes.py`` is the program that was there before: it knows SQLite, and nothing of sync. ``app.py`` declares
what is synced. ``keeper.py`` is all that the screens see of it, and ``field_notes.py`` and ``screens.py`` are
what people see. ``server.py`` is the other side, and could be anyone's.
"""
