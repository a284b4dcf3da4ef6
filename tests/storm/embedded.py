"""A program that runs jobs in its own threads beside the service, until its standard input ends."""

from __future__ import annotations

import sys

from tests.storm.app import app

if __name__ == "__main__":
    with app.running(threads=2):
        sys.stdin.read()
