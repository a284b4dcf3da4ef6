from __future__ import annotations

from tests.cli.conftest import Command
from windlass import Windlass


def test_limits_are_set_shown_and_lifted(cli: Command, app: Windlass) -> None:
    app.enqueue("greet", {"name": "ada"})
    told = cli("queues", "limit", "mail", "--rate", "50/s", "--concurrency", "4", "--json").data
    assert [(one["queue"], one["concurrency"], one["rate"]) for one in told] == [("mail", 4, "50/s")]
    told = cli("queues", "limit", "sms", "--key", "--rate", "600/m", "--json").data
    assert [(one["kind"], one["name"], one["rate"]) for one in told] == [("key", "sms", "600/m")]
    shown = cli("queues", "limits").out
    assert "600/m" in shown
    assert "mail" in shown
    assert "50/s" in cli("queues", "list").out
    assert cli("queues", "limit", "mail", "--rate", "none", "--json").data[0]["rate"] is None
    assert [one["name"] for one in cli("queues", "lift", "mail", "--json").data] == ["sms"]
    assert cli("queues", "lift", "sms", "--key", "--json").data == []
    assert cli("queues", "lift", "sms", "--key").code == 3
    assert "no queue and no key is limited" in cli("queues", "limits").out
    assert app.limits.list() == []


def test_a_wrong_limit_is_named_with_the_way_out(cli: Command, app: Windlass) -> None:
    app.enqueue("greet", {"name": "ada"})
    for arguments, told in (
        (("--rate", "fast"), '"50/s"'),
        (("--concurrency", "many"), "positive integer or none"),
        (("3", "--concurrency", "4"), "got N and --concurrency"),
        ((), "expected concurrency or rate, got neither"),
    ):
        answer = cli("queues", "limit", "mail", *arguments)
        assert answer.code == 2, answer
        assert told in answer.err
        assert "Traceback" not in answer.err


def test_scaling_without_a_service_says_how_to_start_one(cli: Command, app: Windlass) -> None:
    app.enqueue("greet", {"name": "ada"})
    answer = cli("scale", "4")
    assert answer.code == 3
    assert "windlass start" in answer.err
