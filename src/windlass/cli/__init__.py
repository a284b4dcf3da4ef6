"""The command line: arguments become calls of the public API, answers become tables or JSON.

The rules every command keeps:

- **Data on stdout, everything else on stderr.** With ``--json`` stdout is JSON and nothing but JSON: one
  document, or one document per line where the command goes on (``watch``).
- **Exit codes mean one thing each** (``exits.py``), so that a script needs no text to know what happened.
- **A known error is one sentence** that names the surprise and the way out; a traceback means a bug.
- **Imports are late.** ``main`` answers ``--help`` from the table in ``commands.py`` alone; any other word
  loads the one module that holds its command.
"""
