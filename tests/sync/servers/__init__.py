"""Servers for tests, on loopback: a good one (``store``), a bad one (``faulty``), a bad way (``proxy``)."""
