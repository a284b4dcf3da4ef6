"""Years of schedules in minutes: the real store and the real source, in a world with a clock of its own.

``world.py`` is the machine: its clocks, what is to happen when, and what has happened. ``fleet.py`` are the
dispatchers on it, ``script.py`` what people and fate do to them. From the log of all that, ``judge.py`` says
which runs the schedules' policies promise, by an arithmetic of its own (``nominal.py``), and compares.
Everything comes of one seed, so a fault can be seen again.
"""
