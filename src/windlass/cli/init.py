"""``windlass init``: a configuration and a program to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from windlass.cli.exits import ExitCode
from windlass.cli.options import Json, fail
from windlass.cli.output import Output

cli = typer.Typer(add_completion=False)

_TOML = """\
# Where the jobs live, and where the service finds your program.
database = "windlass.db"
app = "app:app"

# Everything below is as it would be anyway; remove the # to change it.
# durability = "full"        # "fast": enqueues do not wait for the disk; a power cut may lose a second
# isolates = 2               # processes that run handlers; the number of CPUs, at most 4
# grace = "30s"              # how long running jobs may go on after a stop was asked for
# retention = "7d"           # how long finished jobs are kept

# [service]
# enabled = true             # false: app.service.start() refuses
"""

_APP = '''\
"""A first Windlass program.

windlass start              # a service in the background
python app.py               # enqueue two jobs
windlass watch              # see what becomes of them
"""

from __future__ import annotations

from windlass import Context, Windlass

app = Windlass()


@app.job(max_attempts=5, timeout="30s")
def greet(name: str) -> str:
    """Whatever you return is kept with the job."""
    return f"Hello, {name}!"


@app.job
def count_to(ctx: Context, number: int) -> int:
    """A job may tell how far it is."""
    total = 0
    for step in range(1, number + 1):
        total += step
        ctx.progress(step, number)
    return total


if __name__ == "__main__":
    greet.enqueue(name="world")
    job = count_to.using(priority=9).enqueue(number=1000)
    print(f"job {job.id} is in the database; windlass jobs show {job.id}")
'''


@cli.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where; made if need be.", show_default="here")] = Path(),
    as_json: Json = False,
) -> None:
    """Write a windlass.toml and an app.py to start from. Overwrites nothing."""
    files = {folder / "windlass.toml": _TOML, folder / "app.py": _APP}
    there = [str(path) for path in files if path.exists()]
    if there:
        fail(f"{' and '.join(there)} exists: nothing was written", ExitCode.CONFLICT)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            # "x": even if another program made it in this moment, it is not overwritten.
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        fail(f"{folder} cannot be written ({error.strerror})", ExitCode.FAILURE)
    output = Output(as_json=as_json)
    output.data({"written": [str(path) for path in files]}, lambda: "wrote " + " and ".join(map(str, files)))
    inside = "" if folder == Path() else f"cd {folder} && "
    output.note(f"next: {inside}windlass start && python app.py && windlass watch", "dim")
