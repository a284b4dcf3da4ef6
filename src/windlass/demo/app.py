"""The program of the demo: index a folder of Python modules in the background, one durable job per file."""

from __future__ import annotations

import ast
import io
import tokenize
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

from windlass.app import Windlass
from windlass.backoff import Backoff
from windlass.clock import monotonic
from windlass.context import Context, Service
from windlass.outcome import PermanentError

app = Windlass("demo.db")


class Undecodable(Exception):
    """The bytes are not the text they claim to be. Perhaps the file is being written now: worth a retry."""


@app.on_start
def make_tables(_service: Service, db: Any) -> None:
    """Runs once in every worker process, before its first job."""
    # No UNIQUE anywhere: if a module were ever indexed twice, the table would show it.
    db.execute(
        "CREATE TABLE IF NOT EXISTS modules "
        "(path TEXT, job_id INTEGER, lines INTEGER, functions INTEGER, classes INTEGER, imports INTEGER, "
        "ms REAL)"
    )
    db.commit()


@app.job(max_attempts=3, timeout="1m", backoff=Backoff.linear("300ms", jitter="none"))
def index_module(ctx: Context, root: str, path: str) -> None:
    """Parses one file, counts what it defines, and records that together with the job's completion."""
    begun = monotonic()
    text = read_source(Path(root, path))
    try:
        tree = parse(text, path)
    except (SyntaxError, ValueError) as error:
        # The file will not get better by itself: no retry can help.
        raise PermanentError(f"{type(error).__name__}: {error}") from error
    found = Counter(type(node) for node in ast.walk(tree))
    functions = found[ast.FunctionDef] + found[ast.AsyncFunctionDef]
    imports = found[ast.Import] + found[ast.ImportFrom]
    ms = (monotonic() - begun) * 1000
    with ctx.transaction() as db:
        db.execute(
            "INSERT INTO modules VALUES (?, ?, ?, ?, ?, ?, ?)",
            (path, ctx.job_id, text.count("\n"), functions, found[ast.ClassDef], imports, round(ms, 3)),
        )
        ctx.set_result({"functions": functions, "classes": found[ast.ClassDef]})


def read_source(path: Path) -> str:
    """The file's text, in the encoding that it declares."""
    raw = path.read_bytes()
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
        return raw.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        raise Undecodable(str(error)) from error


def parse(text: str, path: str) -> ast.Module:
    """The module as a tree; what Python would only warn about is not our business here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text, path)
