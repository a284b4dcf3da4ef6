from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from windlass import Windlass
from windlass.errors import ConfigError, RegistrationError, StartFailed
from windlass.target import load_app, loading, target_of

APP = "from windlass import Windlass\n"


@pytest.fixture(autouse=True)
def _own_imports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))
    return path


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run([sys.executable, *command], cwd=cwd, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


# ── modules ────────────────────────────────────────────────────────────────────────────────────


def test_a_module_in_the_current_folder_is_found(tmp_path: Path) -> None:
    write(tmp_path / "module_one.py", APP + "app = Windlass('one.db')\nother = Windlass('two.db')\n")
    app = load_app("module_one:app")
    assert isinstance(app, Windlass)
    assert load_app("module_one:app") is app
    assert load_app("module_one") is app
    assert load_app("module_one:other") is not app


def test_a_module_in_a_package_of_another_folder_is_found(tmp_path: Path) -> None:
    write(tmp_path / "srv" / "shop_pkg" / "__init__.py", "")
    write(tmp_path / "srv" / "shop_pkg" / "main.py", APP + "class Holder: app = Windlass('one.db')\n")
    assert isinstance(load_app(f"{tmp_path}/srv/shop_pkg.main:Holder.app"), Windlass)


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("", "expected an app such as"),
        ("a b:c", "expected an app such as"),
        ("nowhere_at_all:app", "no module named nowhere_at_all in"),
        ("json.nowhere:app", "no module named json.nowhere in"),
        ("missing.py", "there is no script /.*missing.py"),
        ("module_two:ap", "there is no ap in module_two: did you mean app"),
        ("module_two:numbers.app", "there is no numbers.app"),
        ("module_two:number", "expected a Windlass app, got int"),
        ("module_two:Windlass", "expected a Windlass app, got type"),
        ("module_three", "holds several apps: name one of module_three:first, module_three:second"),
        ("module_four", "holds no app: expected a variable such as"),
    ],
)
def test_a_target_that_names_no_app_is_explained(tmp_path: Path, target: str, told: str) -> None:
    write(tmp_path / "module_two.py", APP + "app = Windlass('one.db')\nnumber = 7\n")
    write(tmp_path / "module_three.py", APP + "first = Windlass('one.db')\nsecond = Windlass('two.db')\n")
    write(tmp_path / "module_four.py", "")
    with pytest.raises(ConfigError, match=told):
        load_app(target)


def test_looking_for_the_app_does_not_open_its_database(tmp_path: Path) -> None:
    write(tmp_path / "module_lazy.py", APP + "thing = Windlass('lazy.db')\n")
    load_app("module_lazy")
    assert not (tmp_path / "lazy.db").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "import sys\nsys.exit(3)",
            r"ended itself while it was imported \(exit 3\): put what it does as a program",
        ),
        (
            "import nothing_like_it",
            r"failed while it was imported: ModuleNotFoundError: .*program\.py, line 1\)",
        ),
        (
            "x = 1\n1 / 0",
            r"failed while it was imported: ZeroDivisionError: division by zero \(.*program\.py, line 2\)",
        ),
        ("def broken(:", r"failed while it was imported: SyntaxError"),
        ("raise RuntimeError('password=CANARY')", r"RuntimeError: password=\[redacted\]"),
    ],
)
@pytest.mark.parametrize("target", ["program:app", "program.py"])
def test_a_program_that_fails_while_it_is_imported_says_how_and_where(
    tmp_path: Path, target: str, text: str, told: str
) -> None:
    write(tmp_path / "program.py", text)
    with pytest.raises(StartFailed, match=told):
        load_app(target)
    assert "program" not in sys.modules
    assert not loading()


def test_an_error_of_windlass_itself_passes_as_it_is(tmp_path: Path) -> None:
    write(
        tmp_path / "module_twice.py",
        APP
        + """
        app = Windlass('one.db')
        app.job("k")(lambda: None)
        app.job("k")(lambda: None)
        """.replace("        ", ""),
    )
    with pytest.raises(RegistrationError, match="the job key 'k' belongs to"):
        load_app("module_twice")


# ── scripts ────────────────────────────────────────────────────────────────────────────────────


def test_a_script_is_imported_without_what_it_does_as_a_program(tmp_path: Path) -> None:
    script = write(
        tmp_path / "my-script.py",
        APP
        + """
        from windlass.target import loading
        app = Windlass('one.db')
        was_loading = loading()
        if __name__ == "__main__":
            raise AssertionError("not now")
        """.replace("        ", ""),
    )
    app = load_app(f"{script}:app")
    assert isinstance(app, Windlass)
    [module] = [one for one in sys.modules.values() if getattr(one, "__file__", None) == str(script)]
    assert module.was_loading
    assert not loading()


def test_a_script_meets_the_modules_beside_it_and_they_meet_the_same_app(tmp_path: Path) -> None:
    script = write(tmp_path / "tool" / "sync_tool.py", APP + "app = Windlass('one.db')\nimport sync_jobs\n")
    write(
        tmp_path / "tool" / "sync_jobs.py", "from sync_tool import app\n@app.job\ndef pull() -> None: ...\n"
    )
    assert load_app(str(script)).registry.keys() == ("pull",)


def test_a_script_named_like_a_library_shadows_nothing(tmp_path: Path) -> None:
    script = write(tmp_path / "json.py", APP + "app = Windlass('one.db')\n")
    assert isinstance(load_app(str(script)), Windlass)
    assert sys.modules["json"] is json


def test_a_relative_script_is_found_from_the_current_folder(tmp_path: Path) -> None:
    write(tmp_path / "tools" / "relative_tool.py", APP + "the_only_one = Windlass('one.db')\n")
    assert isinstance(load_app("tools/relative_tool.py"), Windlass)


# ── where an app is ────────────────────────────────────────────────────────────────────────────


def round_trip(app: Any) -> str:
    target = app.target
    told = run(
        "-c",
        f"from windlass.target import load_app; print(load_app({target!r}).settings.database)",
        cwd=Path("/"),
    )
    return told.strip()


def test_the_target_of_a_module_is_found_from_any_folder(tmp_path: Path) -> None:
    write(tmp_path / "shop_two" / "__init__.py", "")
    write(tmp_path / "shop_two" / "deep" / "__init__.py", APP + "_hidden = app = Windlass('deep.db')\n")
    app: Any = load_app("shop_two.deep:app")
    assert app.target == f"{tmp_path}/shop_two.deep:app"
    assert round_trip(app) == "deep.db"


def test_the_target_of_a_script_is_its_path(tmp_path: Path) -> None:
    script = write(
        tmp_path / "tool.py",
        APP + 'tool = Windlass("tool.db")\nif __name__ == "__main__":\n    print(tool.target)\n',
    )
    target = run("tool.py", cwd=tmp_path).strip()
    assert target == f"{script}:tool"
    assert isinstance(load_app(target), Windlass)


def test_the_target_of_a_module_run_by_name_is_that_name(tmp_path: Path) -> None:
    write(tmp_path / "pkg_run" / "__init__.py", "")
    write(
        tmp_path / "pkg_run" / "__main__.py",
        APP + 'app = Windlass("pkg.db")\nif __name__ == "__main__":\n    print(app.target)\n',
    )
    target = run("-m", "pkg_run", cwd=tmp_path).strip()
    assert target == f"{tmp_path}/pkg_run.__main__:app"
    assert isinstance(load_app(target), Windlass)


def test_an_app_that_a_function_made_is_found_where_it_is_kept(tmp_path: Path) -> None:
    write(tmp_path / "factory.py", APP + "def make(): return Windlass('one.db')\n")
    write(tmp_path / "keeper.py", "from factory import make\nkept = make()\n")
    app: Any = load_app("keeper:kept")
    assert app.target == f"{tmp_path}/keeper:kept"


def test_an_app_without_a_variable_or_a_file_cannot_be_found_again(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="another process could not find this app"):
        target_of(Windlass("one.db"), __name__)
    code = (
        APP + "app = Windlass('one.db')\ntry:\n    app.target\nexcept Exception as error:\n    print(error)\n"
    )
    assert "another process could not find this app" in run("-c", code, cwd=tmp_path)
