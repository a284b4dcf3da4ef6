"""``windlass service``: let the operating system start the service, at login or boot and after a failure."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from windlass.cli.exits import ExitCode
from windlass.cli.options import App, Db, Json, fail, open_app, open_program
from windlass.cli.output import Output
from windlass.errors import ConfigError
from windlass.redact import printable
from windlass.service.install import flow
from windlass.service.install.asking import ask, linger_file, manager_here
from windlass.service.install.plan import NotOurs, Plan, check, name_for
from windlass.service.install.systemd import Systemd

if TYPE_CHECKING:
    from windlass.app import Windlass
    from windlass.service.install.plan import Manager, State, Step

cli = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Let the operating system start the service: systemd, launchd, Windows tasks.",
)

Name = Annotated[
    str | None,
    typer.Option("--name", help="The service's name; by default its folder's.", show_default=False),
]
System = Annotated[bool, typer.Option("--system", help="The machine's service, not yours: starts at boot.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only print the file and the commands.")]


@cli.command()
def install(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[TARGET]", help="The program: module:attr or path/to/script.py.", show_default=False
        ),
    ] = None,
    name: Name = None,
    system: System = False,
    user: Annotated[
        str | None, typer.Option(help="With --system: whose processes they are.", show_default=False)
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A variable for it. No secrets: others can read the file."),
    ] = None,
    linger: Annotated[
        bool, typer.Option("--linger", help="Go on after logout, and start at boot (systemd).")
    ] = False,
    start: Annotated[bool, typer.Option("--start/--no-start", help="Start it now, or anew.")] = True,
    dry_run: DryRun = False,
    db: Db = None,
    app: App = None,
    as_json: Json = False,
) -> None:
    """Install the service, or update it: it starts at login, and again after a failure."""
    if getattr(sys, "frozen", False):
        raise ConfigError("a frozen program has no windlass command: let its own installer start it")
    opened = open_program(db, target or app)
    manager = manager_here(system=system)
    plan = check(_plan(opened, target or app, name, system=system, user=user, env=env or []))
    steps = manager.written(plan, start=start)
    if linger:
        steps.insert(0, _linger(manager, system=system))
    if dry_run:
        _print_plan(Output(as_json=as_json), manager, plan, steps)
        return
    _need_root(system)
    output = Output(as_json=as_json)
    try:
        there = flow.read(manager, plan.name)
        if start and there is None and opened.service.is_running():
            fail(f"a service already runs on {plan.database}: windlass stop, then again", ExitCode.CONFLICT)
        # From here on a database that is not there is one that has been moved.
        opened.jobs.counts()
        os.makedirs(os.path.dirname(plan.log), mode=0o700, exist_ok=True)
        with output.busy("installing the service, and waiting until it is ready"):
            if linger:
                flow.take(steps[0], ask)
            changed = flow.install(manager, plan, ask, start=start)
    except NotOurs as error:
        fail(str(error), ExitCode.CONFLICT)
    done = "installed" if there is None else "updated" if changed else "as it was"
    state = _state(manager, plan.name)
    file = manager.file(plan.name)
    told = {"name": plan.name, "manager": manager.kind, "file": file, "done": done}
    _show(output, told, f"{plan.name} is {done}: {file}")
    if state.lingering is False:
        output.note("it ends when you log out: windlass service install --linger lets it go on")


@cli.command()
def uninstall(
    name: Name = None,
    system: System = False,
    dry_run: DryRun = False,
    db: Db = None,
    app: App = None,
    as_json: Json = False,
) -> None:
    """Stop the service and remove what install made; the database stays. Harmless where nothing is."""
    manager = manager_here(system=system)
    chosen = _chosen(manager, name, db, app)
    output = Output(as_json=as_json)
    if dry_run:
        steps = [*manager.removing(chosen), *manager.removed(chosen)]
        told = {"file": manager.file(chosen), "commands": [step.command for step in steps]}
        _show(output, told, f"removes {manager.file(chosen)}\n{_commands(steps)}")
        return
    _need_root(system)
    try:
        with output.busy("stopping the service; running jobs get their grace"):
            removed = flow.uninstall(manager, chosen, ask)
    except NotOurs as error:
        fail(str(error), ExitCode.CONFLICT)
    said = f"{chosen} is removed" if removed else f"{chosen} is not installed: nothing to remove"
    _show(output, {"name": chosen, "removed": removed}, said)


@cli.command()
def status(
    name: Name = None, system: System = False, db: Db = None, app: App = None, as_json: Json = False
) -> None:
    """What the operating system says of it, and what it says itself. Exit code 3 where none is installed."""
    manager = manager_here(system=system)
    plan = _installed(manager, name, db, app)
    state = _state(manager, plan.name)
    stale = flow.outdated(manager, plan)
    running = None
    if "://" in plan.database or os.path.exists(plan.database):
        running = open_app(plan.database, None, looks=False).service.status()
    told: dict[str, Any] = {
        "name": plan.name,
        "manager": manager.kind,
        "file": manager.file(plan.name),
        "installed": True,
        **msgspec.to_builtins(state),
        "outdated": stale,
        "plan": plan,
        "service": running,
    }
    said = "no service runs" if running is None else f"the service is {running.state}, process {running.pid}"
    lines = [
        f"{plan.name} ({manager.kind})  {manager.file(plan.name)}",
        f"  {_sentence(state)}",
        f"  {said}  {plan.database}",
        *(f"  ! {stale_one}: windlass service install" for stale_one in stale),
    ]
    if state.lingering is False:
        lines.append("  it ends when you log out: windlass service install --linger")
    if running and running.last_error:
        lines.append(f"  {running.last_error}")
    _show(Output(as_json=as_json), told, "\n".join(lines))


@cli.command()
def logs(
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many of the last lines.")] = 100,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    name: Name = None,
    system: System = False,
    db: Db = None,
    app: App = None,
) -> None:
    """The service's last words: from the journal, or its log file."""
    manager = manager_here(system=system)
    plan = _installed(manager, name, db, app)
    command = manager.log_command(plan, lines=lines, follow=follow)
    if command is None and follow and os.name == "posix":
        command = ["tail", "-n", str(lines), "-F", plan.log]
    if command is not None:
        try:
            os.execvp(command[0], command)
        except OSError as error:
            fail(f"{command[0]} cannot be run: {error.strerror}", ExitCode.FAILURE)
    if follow:
        fail(f"here the log cannot be followed: open {plan.log}", ExitCode.USAGE)
    log = Path(plan.log)
    if not log.exists():
        fail(f"there is no log {log} yet", ExitCode.NOT_FOUND)
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]:
        typer.echo(printable(line))


def _plan(
    opened: Windlass, target: str | None, name: str | None, *, system: bool, user: str | None, env: list[str]
) -> Plan:
    settings = opened.settings
    here = os.getcwd()
    place = opened.place
    database = place.base if place.is_file else settings.database
    if place.has_secret:
        raise ConfigError(
            "the URL holds a password, which everybody could read in the list of processes: put it into "
            "~/.pgpass, or give PGPASSFILE by --env, and leave it out of the URL"
        )
    chosen = target or settings.app or ""
    variables: dict[str, str] = {}
    for given in env:
        variable, equals, value = given.partition("=")
        if not equals:
            raise ConfigError(f"expected --env NAME=VALUE, got {given!r}")
        variables[variable] = value
    if user is not None and not system:
        raise ConfigError("--user goes with --system: a service of your own has you as its user")
    if system and user is None:
        user = os.environ.get("SUDO_USER")
    elif sys.platform == "win32":
        user = "\\".join(filter(None, map(os.environ.get, ("USERDOMAIN", "USERNAME")))) or None
    return Plan(
        name=name or name_for(here),
        # A script's path is made absolute; a module is found from the working directory.
        target=os.path.abspath(chosen) if ".py" in chosen else chosen,
        directory=here,
        interpreter=os.path.abspath(sys.executable),
        database=database,
        log=f"{place.folder}/service.log",
        grace=settings.grace,
        system=system,
        user=user,
        env=variables,
    )


def _chosen(manager: Manager, name: str | None, db: str | None, app: str | None) -> str:
    """The service that is meant: by its name, by the database it serves, or by this folder."""
    if name is not None:
        return name
    here = os.getcwd()
    ours = list(flow.installed(manager))
    if db is not None or app is not None:
        opened = open_app(db, app, looks=False)
        database = opened.place.base if opened.place.is_file else opened.settings.database
        ours = [plan for plan in ours if plan.database == database]
    else:
        ours = [plan for plan in ours if plan.directory == here]
    if len(ours) > 1:
        fail(f"several are installed: choose by --name {' or '.join(p.name for p in ours)}", ExitCode.USAGE)
    return ours[0].name if ours else name_for(here)


def _installed(manager: Manager, name: str | None, db: str | None, app: str | None) -> Plan:
    chosen = _chosen(manager, name, db, app)
    try:
        plan = flow.read(manager, chosen)
    except NotOurs as error:
        fail(str(error), ExitCode.CONFLICT)
    if plan is None:
        fail(f"{chosen} is not installed: windlass service install, or give its --name", ExitCode.NOT_FOUND)
    return plan


def _state(manager: Manager, name: str) -> State:
    state = flow.look(manager, name, ask)
    if isinstance(manager, Systemd) and not manager.system and state.lingering is None:
        # Where nobody is logged in, logind does not answer; its note on disk does.
        return msgspec.structs.replace(state, lingering=os.path.exists(linger_file(manager.user)))
    return state


def _linger(manager: Manager, *, system: bool) -> Step:
    if system or not isinstance(manager, Systemd):
        raise ConfigError("--linger is for a systemd service of your own; one with --system needs none")
    return manager.linger()


def _need_root(system: bool) -> None:
    if system and os.name == "posix" and os.geteuid() != 0:
        raise ConfigError("--system writes the machine's own files: run it as root (sudo)")


def _sentence(state: State) -> str:
    enabled = {True: "enabled", False: "not enabled", None: ""}[state.enabled]
    parts = [part for part in (state.active or "the system does not answer", enabled) if part]
    if state.since:
        parts.append(f"since {state.since}")
    if state.restarts:
        parts.append(f"restarts: {state.restarts}")
    if state.result not in (None, "success"):
        parts.append(f"last result {state.result}")
    return ", ".join(parts)


def _print_plan(output: Output, manager: Manager, plan: Plan, steps: list[Step]) -> None:
    raw = manager.text(plan)
    text = raw.decode("utf-16" if raw[:1] in (b"\xff", b"\xfe") else "utf-8")
    file = manager.file(plan.name)
    told = {"file": file, "text": text, "commands": [step.command for step in steps]}
    _show(output, told, f"{file}\n\n{text}\n{_commands(steps)}")


def _commands(steps: list[Step]) -> str:
    return "\n".join(["and then:", *(f"  {shlex.join(step.command)}" for step in steps)])


def _show(output: Output, told: Any, text: str) -> None:
    """Lines as they are: one that is folded at a terminal's edge could not be copied."""
    if output.as_json:
        output.data(told, str)
    else:
        typer.echo("\n".join(map(printable, text.splitlines())))
