"""What the documentation says is so, and what is so the documentation says."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import socket
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from typer.main import get_command

import dev
import windlass
from tests.snippets import ROOT, Stage, commands, fences, matches
from windlass import sync, testing
from windlass.cli.commands import BY_NAME
from windlass.cli.lazy import cli
from windlass.config import Settings, load_settings
from windlass.errors import WindlassError
from windlass.hosts import Dispatcher, Host, HostManager
from windlass.jobs import QueueManager
from windlass.notify import Notifier
from windlass.schedules import Schedule, ScheduleManager, ScheduleOptions
from windlass.scope import Scope
from windlass.service.process import ServiceControl, ServiceStatus
from windlass.store.flows import Relative
from windlass.store.notices import Notice
from windlass.store.protocol import QueueState
from windlass.watch import Watch

README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = sorted([README, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")])
REFERENCE = "\n".join(page.read_text(encoding="utf-8") for page in sorted((DOCS / "reference").glob("*.md")))
RUN = [page for page in PAGES if any(fence.info in ("python", "sql") for fence in fences(page))]

# Whoever is named in our texts. An address that is none of these is a mistake, or somebody's own machine.
# Names reserved for this (RFC 2606), words that are no hosts at all, and the address that attackers like.
KNOWN_HOSTS = re.compile(
    r"(.+\.)?example\.(com|org|net)|.+\.(example|invalid|test)|localhost|127\.0\.0\.1|169\.254\.169\.254"
    r"|[a-z0-9]{1,3}|keepachangelog\.com|semver\.org|www\.w3\.org|schemas\.microsoft\.com"
)

LINK = re.compile(r"(?<!\!)\[(?:[^\]\\]|\\.)*\]\((?P<to>[^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (?P<text>.+)$", re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose_of(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)


# ── what is shown is run ─────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("page", RUN, ids=name_of)
def test_every_snippet_does_what_its_page_says(page: Path, tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        for fence in fences(page):
            where = f"{name_of(page)}:{fence.line}"
            try:
                printed = stage.run(fence)
            except AssertionError as error:
                raise AssertionError(f"{where} {error}") from None
            assert matches(fence.shows, printed), f"{where} prints something else:\n{printed}"


@pytest.mark.parametrize("shown", ["a\n…\nd", "…\nd", "a\nb…\nc c\nd", "a\n…", "a\nb b\nc c\nd\n"])
def test_dots_stand_for_what_is_left_out(shown: str) -> None:
    assert matches(shown, "a\nb b\nc c\nd\n")


@pytest.mark.parametrize("shown", ["a\nd", "…\nc", "a\nb…\nd", "a\n…\nd\ne", ""])
def test_what_is_not_so_is_seen(shown: str) -> None:
    assert not matches(shown, "a\nb b\nc c\nd\n")


def shell_lines() -> Iterator[tuple[str, list[str]]]:
    """Every command on every page, with the place where it stands."""
    for page in PAGES:
        for fence in fences(page):
            if fence.info in ("console", "sh"):
                for line in commands(fence):
                    for words in parts_of(line):
                        yield f"{name_of(page)}:{fence.line}", words


def parts_of(line: str) -> Iterator[list[str]]:
    """The simple commands of a line, without the variables set before them."""
    words: list[str] = []
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;()")
    lexer.whitespace_split = True
    for word in [*lexer, ";"]:
        if set(word) <= set("&|;()"):
            while words and re.match(r"\w+=", words[0]):
                words.pop(0)
            if words:
                yield words
            words = []
        else:
            words.append(word)


def test_every_command_shown_exists_with_its_arguments() -> None:
    shown = [(where, words[1:]) for where, words in shell_lines() if words[0] == "windlass"]

    assert len(shown) > 20
    for where, words in shown:
        check_command(where, words, whole=True)


def test_every_command_named_in_a_sentence_exists() -> None:
    for page in PAGES:
        for code in CODE.findall(prose_of(page)):
            words = shlex.split(re.sub(r"[\[\]…|]", " ", code)) if code.startswith("windlass ") else []
            if words and not any(word.isupper() for word in words):
                check_command(f"{name_of(page)}: {code}", words[1:], whole=False)


def check_command(where: str, words: list[str], *, whole: bool) -> None:
    if words[:1] and words[0].startswith("-"):
        assert words[0] in ("--help", "--version", "--install-completion"), where
        return
    command: Any = get_command(cli)
    while hasattr(command, "commands") and words:
        assert words[0] in command.commands, f"{where}: there is no command {words[0]!r}"
        command, words = command.commands[words[0]], words[1:]
    options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    # Behind -- stands another program's command.
    ours = words[: words.index("--")] if "--" in words else words
    unknown = [word for word in ours if word.startswith("--") and word.partition("=")[0] not in options]
    assert not unknown, f"{where}: {command.name} has no {unknown[0]}"
    if whole and "--help" not in words:
        try:
            command.make_context(command.name, list(words))
        except Exception as error:
            raise AssertionError(f"{where}: {error}") from error


def test_every_verb_of_dev_py_shown_exists() -> None:
    for where, words in shell_lines():
        if words[:2] == ["python3", "dev.py"]:
            assert words[2] in dev.VERBS, where
    for page in PAGES:
        for verb in re.findall(r"`python3 dev\.py (\w+)", text_of(page)):
            assert verb in dev.VERBS, name_of(page)


def test_every_configuration_shown_is_valid(tmp_path: Path) -> None:
    shown = [fence for page in PAGES for fence in fences(page) if fence.info == "toml"]

    assert shown
    for number, fence in enumerate(shown):
        folder = tmp_path / str(number)
        folder.mkdir()
        name = "pyproject.toml" if fence.body.startswith("# pyproject.toml") else "windlass.toml"
        (folder / name).write_text(fence.body, encoding="utf-8")
        load_settings(env={}, cwd=folder)


# ── what is public is documented ─────────────────────────────────────────────────────────────────
def members_of(kind: type[Any]) -> list[str]:
    inherited: set[str] = set()
    for base in kind.__mro__[1:]:
        if not base.__module__.startswith("windlass"):
            inherited |= set(vars(base))
    own = {name for base in kind.__mro__ if base.__module__.startswith("windlass") for name in vars(base)}
    fields = set(getattr(kind, "__struct_fields__", ())) | set(getattr(kind, "__optional_keys__", ()))
    return sorted(name for name in (own | fields) - inherited if not name.startswith("_"))


PUBLIC: list[type[Any]] = [
    windlass.Windlass, windlass.JobFunction, windlass.JobManager, windlass.Context, windlass.Service,
    windlass.Backoff, windlass.Job, windlass.Attempt, windlass.Progress, windlass.Why, windlass.JobStatus,
    QueueManager, QueueState, HostManager, Host, Dispatcher,
    ServiceControl, ServiceStatus, Scope, Settings, Watch, testing.ManualClock,
    ScheduleManager, Schedule, ScheduleOptions, Notifier, Notice, windlass.JobFailed, windlass.SyncFailed,
    windlass.SyncFailing, windlass.SyncRecovered, windlass.ConflictWaiting, windlass.HeldBack,
    windlass.Flow, windlass.Tally, Relative, windlass.Channel, windlass.Status, windlass.WebhookChannel,
    *(value for name in sync.__all__ if isinstance(value := getattr(sync, name), type) and members_of(value)),
    windlass.SyncOperation,
]  # fmt: skip


def documented_words() -> set[str]:
    """Every word in code on the pages of the reference."""
    return {word for code in CODE.findall(REFERENCE) for word in re.findall(r"\w+", code)}


def test_every_public_name_is_in_the_reference() -> None:
    tree = "".join(fence.body for fence in fences(DOCS / "reference/errors.md"))
    words = documented_words() | set(re.findall(r"\w+", tree))

    assert [name for name in [*windlass.__all__, *sync.__all__, *testing.__all__] if name not in words] == []


def test_what_a_program_imports_first_brings_no_http_client() -> None:
    first = "import windlass, sys; print('windlass.sync' in sys.modules or 'httpx2' in sys.modules)"
    remote = "from windlass import RestRemote, merge; import sys; print('httpx2' in sys.modules)"

    for program in (first, remote):
        answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert (answer.stdout, answer.stderr) == ("False\n", "")


@pytest.mark.parametrize("kind", PUBLIC, ids=lambda kind: kind.__name__)
def test_every_member_is_in_the_reference(kind: type[Any]) -> None:
    words = documented_words()
    members = members_of(kind)

    assert members
    assert [name for name in members if name not in words] == []


@pytest.mark.parametrize(
    "function",
    [
        windlass.Windlass, windlass.Windlass.enqueue, windlass.Windlass.running, windlass.JobFunction.using,
        ScheduleManager.add,
        windlass.JobManager.list, windlass.JobManager.watch, windlass.JobManager.wait,
        windlass.Context.progress, windlass.Backoff.linear, windlass.Backoff.exponential,
        windlass.Retry, windlass.Snooze, windlass.Cancel,
        ServiceControl.start, ServiceControl.stop, ServiceControl.restart, ServiceControl.invoke,
        testing.drain, testing.assert_enqueued,
        sync.SyncManager.resource, sync.SyncManager.enqueue, sync.Resource.pull, sync.Resource.changes,
        windlass.merge, windlass.latest, windlass.RestRemote, windlass.SyncOperation, sync.Timestamp,
        sync.Transport, sync.Live, sync.oauth2_refresh, sync.oauth2_client_credentials,
    ],
    ids=lambda function: function.__qualname__,
)  # fmt: skip
def test_every_parameter_is_in_the_reference(function: Any) -> None:
    words = documented_words()
    names = [
        name for name in inspect.signature(function).parameters if name not in ("self", "args", "kwargs", "_")
    ]

    assert [name for name in names if name not in words] == []


def test_every_error_stands_in_the_tree_below_its_parent() -> None:
    (tree,) = [fence.body for fence in fences(DOCS / "reference/errors.md") if fence.info == "text"]
    depth = {
        found["name"]: len(found["lines"])
        for found in re.finditer(r"^(?P<lines>\W*)(?P<name>\w+)", tree, re.M)
    }

    def check(error: type[WindlassError]) -> None:
        assert error.__name__ in depth
        for child in error.__subclasses__():
            if child.__module__ == error.__module__:
                assert depth[child.__name__] > depth[error.__name__], child
                check(child)

    check(WindlassError)


def settings_table() -> dict[str, str]:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|", text_of(DOCS / "reference/settings.md"), re.MULTILINE)
    return dict(rows)


@pytest.mark.parametrize("name", Settings.__struct_fields__)
def test_every_setting_is_documented_with_its_default(name: str) -> None:
    told = settings_table()[name]
    default = getattr(load_settings(env={}, cwd="/nowhere"), name)
    if name == "isolates":
        assert told == "CPUs, at most 4"
    elif told == "none":
        assert default is None
    else:
        value = msgspec.json.decode(told.strip("`"))
        assert getattr(load_settings({name: value}, env={}, cwd="/nowhere"), name) == default


def test_no_setting_is_documented_that_does_not_exist() -> None:
    assert set(settings_table()) == set(Settings.__struct_fields__)


def test_every_command_is_documented_on_its_page() -> None:
    page = text_of(DOCS / "cli.md")
    loaded = get_command(cli).commands  # type: ignore[attr-defined]

    for name in BY_NAME:
        assert f"windlass {name}" in page
        for sub in getattr(loaded[name], "commands", ()):
            assert re.search(rf"\b{sub}\b", page), f"{name} {sub}"


def test_every_column_is_documented_below_its_table(tmp_path: Path) -> None:
    app = windlass.Windlass(tmp_path / "app.db")
    app.jobs.counts()
    app.close()
    sections = re.split(r"^## ", text_of(DOCS / "reference/table.md"), flags=re.MULTILINE)
    documented = {section.split("`")[1]: section for section in sections if section.startswith("`")}
    with sqlite3.connect(tmp_path / "app.db") as db:
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        indexes = [
            row[0]
            for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql NOTNULL")
        ]
        for table in tables:
            if not table.startswith("sqlite_"):
                rows = re.findall(r"^\| (.+?) \|", documented[table], re.MULTILINE)
                told = [name for row in rows for name in CODE.findall(row)]
                real = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
                assert told == real, table
    db.close()
    assert [name for name in indexes if f"`{name}`" not in sections[-1]] == []


# ── the pages themselves ─────────────────────────────────────────────────────────────────────────
def anchors_of(page: Path) -> set[str]:
    headings = HEADING.findall(prose_of(page))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    for found in LINK.finditer(prose_of(page)):
        to = found["to"]
        if "://" in to:
            continue
        path, _, anchor = to.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name_of(page)} links to {to}"
        if anchor:
            assert anchor in anchors_of(target), f"{name_of(page)} links to {to}"


def test_every_file_of_the_repository_that_a_page_names_is_there() -> None:
    package = ROOT / "src" / "windlass"
    for page in PAGES:
        for code in CODE.findall(prose_of(page)):
            if re.fullmatch(
                r"(src|tests|docs|benchmarks|store|worker|service)/[\w/*-]+(\.(py|sql|md|c))?", code
            ):
                assert [*ROOT.glob(code), *package.glob(code)], f"{name_of(page)} names {code}"


def test_every_page_can_be_found_from_the_first() -> None:
    found: set[Path] = set()
    waiting = [README]
    while waiting:
        page = waiting.pop()
        if page in found or page.suffix != ".md":
            continue
        found.add(page)
        links = [link["to"].partition("#")[0] for link in LINK.finditer(prose_of(page))]
        waiting += [(page.parent / link).resolve() for link in links if link and "://" not in link]

    assert [name_of(page) for page in PAGES if page not in found] == []


def texts_of_the_repository() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    names = listed.stdout.split("\0") if listed.returncode == 0 else []
    return [path for path in {*PAGES, *(ROOT / name for name in names if name)} if path.is_file()]


def test_no_text_names_this_machine() -> None:
    ours = {str(ROOT), os.fspath(Path.home()), os.path.realpath(sys.prefix)}
    private = {name for name in ours if name.count("/") > 1}
    if re.search(r"\d", socket.gethostname()):  # a name made for a machine, not a word
        private.add(socket.gethostname())
    for path in texts_of_the_repository():
        text = path.read_bytes().decode(errors="replace")
        assert [name for name in private if name in text] == [], name_of(path)


def test_every_address_is_a_known_one() -> None:
    for path in texts_of_the_repository():
        text = path.read_bytes().decode(errors="replace")
        hosts = {host.rpartition("@")[2] for host in re.findall(r"\bhttps?://([\w.@:-]*\w)", text)}
        names = {urlsplit(f"//{host}").hostname or "" for host in hosts}
        assert [name for name in names if name and not KNOWN_HOSTS.fullmatch(name)] == [], name_of(path)


def test_the_readme_is_the_package_s_own_page() -> None:
    project = tomllib.loads(text_of(ROOT / "pyproject.toml"))["project"]

    assert project["readme"] == README.name
    assert all(fence.info for fence in fences(README)), "each fence says what is in it"
