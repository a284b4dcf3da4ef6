"""The API of jobs: what is told, what is done, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.asking import Program, asking
from windlass import Context, Windlass
from windlass.redact import conceal
from windlass.web.app import route_table

CANARY = "canary-5b1f7e"
KNOWN = "known-7c2d91"
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def app(database_url: str) -> Iterator[Windlass]:
    app = Windlass(database_url)

    @app.job(title="Send", max_attempts=2)
    def send(to: str, copies: int = 1) -> dict[str, object]:
        """Sends a letter.

        To one person.
        """
        if to == "nobody":
            raise ValueError(f"{SCRIPT} password={CANARY}")
        return {"to": to, "token": CANARY}

    @app.job
    def tell(ctx: Context) -> None:
        ctx.progress(1, 4, f"{SCRIPT} token={CANARY}")

    yield app
    app.close()


@pytest.fixture
def program(app: Windlass) -> Iterator[Program]:
    with asking(app) as program:
        yield program


def run(app: Windlass, ids: list[int]) -> None:
    with app.running(threads=1):
        for job_id in ids:
            app.jobs.wait(job_id, timeout=30)


def test_what_a_handler_logged_is_told_by_attempt_and_without_secrets(
    app: Windlass, program: Program
) -> None:
    @app.job(max_attempts=2, backoff=None)
    def grumble(ctx: Context) -> None:
        ctx.log.warning("%s attempt %d token=%s", SCRIPT, ctx.attempt, CANARY)
        raise ValueError("no")

    job = app.enqueue("grumble")
    assert program.get(f"jobs/{job.id}/logs") == {"lines": []}
    run(app, [job.id])

    lines = program.get(f"jobs/{job.id}/logs")["lines"]
    assert [(line["attempt"], line["number"], line["level"]) for line in lines] == [
        (1, 1, "WARNING"),
        (2, 1, "WARNING"),
    ]
    assert SCRIPT in lines[0]["text"]
    assert CANARY not in str(lines)


def test_jobs_are_listed_page_by_page(app: Windlass, program: Program) -> None:
    app.enqueue_many("send", [{"to": str(number)} for number in range(7)], queue="mail")
    app.enqueue("tell")

    seen: list[int] = []
    after: dict[str, str] = {}
    while True:
        page = program.get("jobs", limit=3, queue="mail", **after)
        seen += [job["id"] for job in page["jobs"]]
        assert page["total"] >= len(page["jobs"])
        if page["next"] is None:
            break
        after = {"after": page["next"]}

    assert seen == [7, 6, 5, 4, 3, 2, 1]
    assert page["command"] == "windlass jobs list --queue mail"


@pytest.mark.parametrize(
    "query", ["after=x", "limit=0", "limit=999", "order=payload", "status=DONE", "held=maybe"]
)
def test_what_cannot_be_asked_is_refused(program: Program, query: str) -> None:
    assert program.refused(f"jobs?{query}", 422)["message"]


def test_a_job_is_told_with_all_that_is_known(app: Windlass, program: Program) -> None:
    done = app.enqueue("send", {"to": "ann"})
    failed = app.enqueue("send", {"to": "nobody"}, max_attempts=1)
    child = app.enqueue("send", {"to": "bob"}, after=[done.id, failed.id])
    run(app, [done.id, failed.id])

    told = program.get(f"jobs/{done.id}")
    assert told["state"] == "completed"
    assert told["history"][-1]["outcome"] == "completed"
    assert told["result"] == {"to": "ann", "token": "[redacted]"}
    assert told["can"] == ["retry", "delete", "copy"]
    assert told["known"]
    assert {node["id"]: node["level"] for node in told["graph"]["nodes"]} == {done.id: 0, child.id: 1}

    told = program.get(f"jobs/{failed.id}")
    assert told["state"] == "failed"
    assert told["error"].startswith("ValueError")
    assert [attempt["outcome"] for attempt in told["history"]] == ["failed"]

    told = program.get(f"jobs/{child.id}")
    assert told["state"] == "held"
    assert told["why"]["code"] in ("held", "waiting")
    assert f"windlass jobs why {child.id}" in [one["command"] for one in told["commands"]]


def test_no_secret_is_told_anywhere(app: Windlass, program: Program) -> None:
    """rq-dashboard #232 (secrets displayed)."""
    conceal(KNOWN)
    app.enqueue("send", {"to": "ann"}, meta={"api_key": CANARY, "note": KNOWN})
    app.enqueue("send", {"to": "nobody"}, max_attempts=1)
    deep = [{"authorization": {"scheme": CANARY}}]
    app.enqueue("other", {"password": CANARY, "deep": deep, "x": KNOWN})
    app.enqueue("tell")
    run(app, [1, 2, 4])
    program.post("jobs", {"key": "other", "payload": {"secret": CANARY}}, status=201)
    program.post("jobs/3/copy", {"payload": {"password": CANARY, "token": CANARY}}, status=201)
    program.post("jobs", {"key": "send", "payload": {"to": 7, "password": CANARY}}, status=422)
    Path(app.service.folder, "service.log").write_text(f"token={CANARY} {KNOWN}\n", encoding="utf-8")

    paths = [route.path for route in route_table().routes if route.method == "GET" and "{" not in route.path]
    paths += [f"/api/jobs/{number}" for number in range(1, 7)]
    told = {path: program.client.get(path, params={"field": "key"}).text for path in paths}

    assert [path for path, text in told.items() if CANARY in text or KNOWN in text] == []
    hidden = [path for path, text in told.items() if "[redacted]" in text]
    assert {"/api/audit", "/api/service", "/api/jobs/1", "/api/jobs/2", "/api/jobs/3", "/api/jobs/4"} <= {
        *hidden
    }


def test_what_a_program_wrote_is_text(app: Windlass, program: Program) -> None:
    app.enqueue("send", {"to": SCRIPT}, tags=[SCRIPT], unique=SCRIPT, idempotency_key=SCRIPT)
    app.enqueue("send", {"to": "nobody"}, max_attempts=1)
    run(app, [1, 2])

    for path in ("/api/jobs", "/api/jobs/1", "/api/jobs/2", f"/api/{SCRIPT}", f"/{SCRIPT}.txt"):
        told = program.client.get(path)
        assert told.headers["content-type"] == "application/json"
        assert told.headers["x-content-type-options"] == "nosniff"
    for asked in (f"/enter?code={SCRIPT}", f"/api/x{SCRIPT}", f"/{SCRIPT}"):
        told = program.client.get(asked, headers={"Accept": "text/html", "Authorization": ""})
        assert SCRIPT not in told.text or "json" in told.headers["content-type"]


def test_a_copy_is_a_new_job_and_keeps_what_was_hidden(app: Windlass, program: Program) -> None:
    old = app.enqueue("other", {"password": CANARY, "id": 9_007_199_254_740_993}, tags=["a"], priority=3)
    text = program.get(f"jobs/{old.id}")["payload_text"]
    assert "9007199254740993" in text

    made = program.post(f"jobs/{old.id}/copy", {"payload_text": text, "queue": "late"}, status=201)

    new = app.jobs.get(made["id"])
    assert new is not None
    assert new.payload == old.payload
    assert (new.tags, new.priority, new.queue) == (("a",), 3, "late")
    assert app.jobs.get(old.id) == old


def test_an_edited_payload_is_checked_by_its_handler(app: Windlass, program: Program) -> None:
    old = app.enqueue("send", {"to": "ann"})

    wrong = program.post(f"jobs/{old.id}/copy", {"payload": {"to": 7}}, status=422)
    assert "to" in wrong["message"]
    program.post(f"jobs/{old.id}/copy", {"payload_text": "{"}, status=422)
    program.post(f"jobs/{old.id}/copy", {"payload_text": "[" * 100_000}, status=422)
    assert len(app.jobs.list()) == 1


def test_a_job_is_enqueued_with_its_options(app: Windlass, program: Program) -> None:
    body: dict[str, Any] = {
        "key": "send",
        "payload": {"to": SCRIPT},
        "options": {
            "queue": "mail",
            "priority": 5,
            "delay": "10m",
            "tags": ["x"],
            "deadline": "2h",
            "unique": "u",
        },
    }
    made = program.post("jobs", body, status=201)
    again = program.post("jobs", body, status=201)

    job = app.jobs.get(made["id"])
    assert job is not None
    assert (job.queue, job.priority, job.tags) == ("mail", 5, ("x",))
    assert job.deadline is not None
    assert (again["created"], again["disposition"], again["id"]) == (False, "kept", made["id"])
    assert program.get(f"jobs/{job.id}")["payload"] == {"to": SCRIPT}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"key": "send", "payload": {"to": 7}}, 422),
        ({"key": "send", "payload": {}}, 422),
        ({"key": "no key", "payload": {}}, 422),
        ({"key": "send", "payload": {"to": "ann"}, "more": 1}, 422),
        ({"key": "send", "payload": {"to": "ann"}, "options": {"delay": "soon"}}, 422),
        ({"key": "send", "payload": {"to": "ann"}, "options": {"deadline": "then"}}, 422),
        ({"key": "other", "payload": {"x": 1e400}}, 422),
        ([], 422),
    ],
    ids=["type", "missing", "key", "unknown field", "delay", "deadline", "infinity", "a list"],
)
def test_what_cannot_be_a_job_is_refused(app: Windlass, program: Program, body: object, status: int) -> None:
    told = program.client.post(
        "/api/jobs", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )

    assert told.status_code in (status, 400)
    assert app.jobs.list() == []


def test_a_body_is_json_and_has_a_limit(program: Program) -> None:
    def post(content: str, kind: str = "application/json") -> int:
        return int(
            program.client.post("/api/jobs", content=content, headers={"Content-Type": kind}).status_code
        )

    assert post("key=send", "application/x-www-form-urlencoded") == 415
    assert post('{"key": "send"}', "text/plain") == 415
    assert post("{") == 400
    assert post('"\\ud800"') in (400, 422)
    assert post("[" * 200_000) in (400, 422)
    assert post(" " * (3 << 20) + "{}") == 413


def test_what_cannot_be_done_as_it_stands_is_refused_with_the_reason(app: Windlass, program: Program) -> None:
    job = app.enqueue("send", {"to": "ann"})

    assert "service" in program.post(f"jobs/{job.id}/retry", status=409)["message"]
    assert program.post(f"jobs/{job.id}/cancel")["status"] == "CANCELLED"
    assert "CANCELLED" in program.post(f"jobs/{job.id}/cancel", status=409)["message"]
    assert program.post(f"jobs/{job.id}/retry")["status"] == "PENDING"
    assert program.do("DELETE", f"jobs/{job.id}")["status"] is None
    for method, path in (("POST", "retry"), ("POST", "cancel")):
        assert program.do(method, f"jobs/{job.id}/{path}", status=404)["code"] == "no_such_job"
    program.do("DELETE", f"jobs/{job.id}", status=404)
    program.refused(f"jobs/{job.id}", 404)


def test_many_are_changed_in_parts_after_a_look_at_how_many(app: Windlass, program: Program) -> None:
    app.enqueue_many("send", [{"to": str(number)} for number in range(1_200)], tags=["old"])
    app.enqueue("send", {"to": "other"})
    body = {"action": "cancel", "filter": {"tag": "old"}}

    preview = program.post("jobs/bulk", body | {"preview": True})
    assert (preview["matching"], preview["matching_is_least"], preview["changed"]) == (1_200, False, 0)
    assert preview["command"] == "windlass jobs cancel --tag old"
    assert app.jobs.counts()["CANCELLED"] == 0

    changed, parts, after = 0, 0, None
    while True:
        part = program.post("jobs/bulk", body | ({} if after is None else {"after": after}))
        changed, parts, after = changed + part["changed"], parts + 1, part["next"]
        app.enqueue("send", {"to": "late"}, tags=["old"])
        if after is None:
            break

    assert changed == 1_200
    assert parts > 1
    assert app.jobs.counts() == {
        "PENDING": 1 + parts,
        "RUNNING": 0,
        "COMPLETED": 0,
        "FAILED": 0,
        "CANCELLED": 1_200,
    }
    actions = [(one["action"], one["details"]["filter"]) for one in program.get("audit")["entries"]]
    assert len(actions) == parts


def test_an_empty_filter_is_no_accident(app: Windlass, program: Program) -> None:
    app.enqueue("send", {"to": "ann"})

    assert program.post("jobs/bulk", {"action": "delete", "filter": {}}, status=422)["code"] == "no_filter"
    assert program.post("jobs/bulk", {"action": "delete", "filter": {"all": True}})["changed"] == 1


def test_some_are_changed_by_their_ids(app: Windlass, program: Program) -> None:
    app.enqueue_many("send", [{"to": str(number)} for number in range(5)])

    done = program.post("jobs/bulk", {"action": "cancel", "filter": {"ids": [2, 4, 99]}})

    assert done["changed"] == 2
    assert [job.id for job in app.jobs.list(status="CANCELLED", order="id")] == [2, 4]


def test_what_has_not_changed_is_not_sent_again(app: Windlass, program: Program) -> None:
    app.enqueue("send", {"to": "ann"})
    first = program.client.get("/api/jobs")
    mark = {"If-None-Match": first.headers["etag"]}

    assert program.client.get("/api/jobs", headers=mark).status_code == 304
    app.jobs.cancel(1)
    assert program.client.get("/api/jobs", headers=mark).status_code == 200


def test_words_are_completed(app: Windlass, program: Program) -> None:
    app.enqueue("send", {"to": "ann"}, queue="mail", tags=["urgent"])

    assert program.get("jobs/suggest", field="key", prefix="se")["values"] == ["send"]
    assert program.get("jobs/suggest", field="queue", prefix="m")["values"] == ["mail"]
    assert program.get("jobs/suggest", field="tag", prefix="u")["values"] == ["urgent"]
    assert program.get("jobs/suggest", field="tag", prefix="x")["values"] == []


def test_forms_are_made_of_what_the_program_knows(program: Program) -> None:
    told = program.get("handlers")

    send = next(one for one in told["handlers"] if one["key"] == "send")
    assert (send["title"], send["summary"], send["max_attempts"]) == ("Send", "Sends a letter.", 2)
    assert send["schema"]["$defs"]["send"]["required"] == ["to"]
