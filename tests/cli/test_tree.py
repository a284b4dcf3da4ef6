"""What the command line tells of jobs that wait for each other."""

from __future__ import annotations

from tests.cli.conftest import Command
from windlass import Windlass, group
from windlass.cli.tree import JOBS, WIDTH


def greet(app: Windlass, name: str):
    return app.step("greet", {"name": name})


def test_show_names_parents_and_children(cli: Command, app: Windlass) -> None:
    flow = greet(app, "a").then(greet(app, "b")).then(greet(app, "c")).enqueue()
    first, second, third = flow.ids
    shown = cli("jobs", "show", str(second), "--json")
    assert [one["id"] for one in shown.data["parents"]] == [first]
    assert [one["id"] for one in shown.data["children"]] == [third]
    told = cli("jobs", "show", str(second)).out
    assert f"{first} greet PENDING" in told
    assert "waits for 1 job" in told


def test_tree_shows_whom_a_job_waits_for_and_generations_below_it(cli: Command, app: Windlass) -> None:
    root = greet(app, "root")
    flow = root.then(group(greet(app, "left"), greet(app, "right"))).then(greet(app, "end")).enqueue()
    top, left, right, end = flow.ids
    told = cli("jobs", "tree", str(top), "--json").data
    assert [one["job"]["id"] for one in told["children"]] == [left, right]
    assert told["children"][0]["children"][0]["job"]["id"] == end
    assert [one["children"][0]["told_before"] for one in told["children"]] == [False, True]
    assert "(above)" in cli("jobs", "tree", str(top)).out
    below = cli("jobs", "tree", str(end)).out
    assert "after" in below
    assert below.count("greet") == 3


def test_a_tree_of_thousands_is_cut(cli: Command, app: Windlass) -> None:
    many = group(greet(app, str(number)) for number in range(WIDTH + 5))
    flow = greet(app, "root").then(many).then(greet(app, "end")).enqueue()
    told = cli("jobs", "tree", str(flow.ids[0]), "--json").data
    assert (len(told["children"]), told["more"]) == (WIDTH, True)
    assert "…" in cli("jobs", "tree", str(flow.ids[-1])).out
    line = greet(app, "0")
    for number in range(JOBS + 10):
        line = line.then(greet(app, str(number)))
    assert cli("jobs", "tree", str(line.enqueue().ids[0])).code == 0


def test_a_tree_of_no_job_is_exit_code_3(cli: Command, app: Windlass) -> None:
    app.enqueue("greet", {"name": "ada"})
    answer = cli("jobs", "tree", "4711")
    assert answer.code == 3, answer
    assert "there is no job 4711" in answer.err


def test_why_says_for_whom_it_waits_and_retry_leaves_it(cli: Command, app: Windlass) -> None:
    flow = greet(app, "a").then(greet(app, "b")).enqueue()
    why = cli("jobs", "why", str(flow.ids[1]), "--json").data
    assert (why["code"], why["reason"]) == ("waiting", f"it waits for job {flow.ids[0]} (greet)")
    answer = cli("jobs", "retry", str(flow.ids[1]))
    assert answer.code == 1
    assert "left as it was" in answer.err
