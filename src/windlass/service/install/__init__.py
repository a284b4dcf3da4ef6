"""The service in the hands of the operating system: it starts at login or boot, and again after a failure.

``plan`` is what is to run, and what every file of ours carries as a *record*, so that a file without one is
somebody else's and stays untouched. ``systemd``, ``launchd`` and ``windows`` each turn a plan into the text
of one file and the commands around it, and read what the system answers; ``flow`` writes, runs and removes,
the same way for all three. Nothing but ``flow`` and ``asking`` touches the system.
"""
