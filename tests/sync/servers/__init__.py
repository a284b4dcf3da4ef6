"""Servers for tests, on loopback: a bad one (``faulty``) and a bad way (``proxy``) beside the package's."""
