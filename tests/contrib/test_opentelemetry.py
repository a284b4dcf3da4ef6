"""Traces: from the span of an enqueue to those of its attempts, also into the service's processes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from windlass import Backoff, Context, PermanentError, Retry, Windlass, chain
from windlass.contrib import messaging
from windlass.contrib.opentelemetry import instrument
from windlass.testing import drain
from windlass.worker.executor import Performer


class Traced:
    """An app with its spans."""

    def __init__(self, folder: Path) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = provider.get_tracer("test")
        self.app = app = Windlass(folder / "app.db")
        instrument(app, tracer_provider=provider)
        instrument(app, tracer_provider=provider)

        @app.job(max_attempts=2, backoff=Backoff.linear("1h", jitter="none"))
        def charge(ctx: Context, order: int) -> None:
            if order < 0:
                raise ValueError(f"no order {order}; password=hunter2hunter2")
            if order == 0:
                raise Retry("not yet")
            app.enqueue("mail", queue="post")

        @app.job
        async def mail() -> str:
            return f"{trace.get_current_span().get_span_context().span_id:x}"

        @app.job
        def refuse() -> None:
            raise PermanentError("never")

    def spans(self, kind: SpanKind, key: str) -> list[ReadableSpan]:
        return [
            span
            for span in self.exporter.get_finished_spans()
            if span.kind is kind and (span.attributes or {}).get(messaging.SUBSCRIPTION) == key
        ]

    def one(self, kind: SpanKind, key: str) -> ReadableSpan:
        (span,) = self.spans(kind, key)
        return span


@pytest.fixture
def traced(tmp_path: Path) -> Iterator[Traced]:
    made = Traced(tmp_path)
    yield made
    made.app.close()


def told(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_an_attempt_is_a_trace_of_its_own_that_is_linked_to_the_enqueue(traced: Traced) -> None:
    with traced.tracer.start_as_current_span("request") as request:
        job = traced.app.enqueue("charge", {"order": 7}, queue="money")
    drain(traced.app)
    sent, ran = traced.one(SpanKind.PRODUCER, "charge"), traced.one(SpanKind.CONSUMER, "charge")
    assert (sent.name, ran.name) == ("enqueue charge", "perform charge")
    assert sent.parent is not None
    assert sent.parent.span_id == request.get_span_context().span_id
    assert ran.parent is None
    assert ran.context.trace_id != sent.context.trace_id
    (link,) = ran.links
    assert (link.context.trace_id, link.context.span_id) == (sent.context.trace_id, sent.context.span_id)
    assert told(sent) == {
        "messaging.system": "windlass",
        "messaging.operation.name": "enqueue",
        "messaging.operation.type": "send",
        "messaging.destination.name": "money",
        "messaging.destination.subscription.name": "charge",
        "messaging.message.id": str(job.id),
        "messaging.message.body.size": 11,
        "windlass.job.disposition": "created",
    }
    assert told(ran) == {
        "messaging.system": "windlass",
        "messaging.operation.name": "perform",
        "messaging.operation.type": "process",
        "messaging.destination.name": "money",
        "messaging.destination.subscription.name": "charge",
        "messaging.message.id": str(job.id),
        "messaging.message.body.size": 11,
        "windlass.job.attempt": 1,
        "windlass.job.max_attempts": 2,
        "windlass.job.outcome": "completed",
    }
    assert ran.status.status_code is StatusCode.UNSET


def test_the_context_travels_in_the_jobs_meta_beside_what_is_there(traced: Traced) -> None:
    job = traced.app.enqueue("mail", meta={"tenant": 3})
    sent = traced.one(SpanKind.PRODUCER, "mail")
    wanted = f"00-{sent.context.trace_id:032x}-{sent.context.span_id:016x}-{sent.context.trace_flags:02x}"
    assert job.meta == {"tenant": 3, "traceparent": wanted}
    found = traced.app.jobs.get(job.id)
    assert found is not None
    assert found.meta == job.meta


def test_a_context_that_another_program_wrote_is_linked_to(traced: Traced) -> None:
    given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    job = traced.app.enqueue("mail", meta={"traceparent": given, "tracestate": "shop=1"})
    assert job.meta["traceparent"] == given
    drain(traced.app)
    (link,) = traced.one(SpanKind.CONSUMER, "mail").links
    assert f"{link.context.span_id:016x}" == "b7ad6b7169203331"
    assert link.context.trace_state.get("shop") == "1"


@pytest.mark.parametrize("meta", ['{"traceparent": 7}', '{"traceparent": "nonsense"}', "[]", "no json", None])
def test_what_is_no_context_leaves_an_attempt_without_link(traced: Traced, meta: str | None) -> None:
    with traced.app.transaction() as connection:
        connection.execute(
            "INSERT INTO background_service_jobs (job_key, status, meta) VALUES ('mail', 'PENDING', ?)",
            (meta,),
        )
    (job,) = drain(traced.app)
    assert job.status == "COMPLETED"
    assert not traced.one(SpanKind.CONSUMER, "mail").links


def test_what_a_handler_enqueues_belongs_to_the_trace_of_its_attempt(traced: Traced) -> None:
    traced.app.enqueue("charge", {"order": 7})
    drain(traced.app)
    ran, sent = traced.one(SpanKind.CONSUMER, "charge"), traced.one(SpanKind.PRODUCER, "mail")
    assert sent.parent is not None
    assert sent.parent.span_id == ran.context.span_id
    assert told(sent)[messaging.DESTINATION] == "post"


def test_an_async_handler_sees_its_own_span_and_nobody_elses(traced: Traced) -> None:
    jobs = traced.app.enqueue_many("mail", [{}] * 20)
    with traced.app.running(threads=2):
        results = {traced.app.jobs.wait(job.id, "30s").result for job in jobs}
    ran = traced.spans(SpanKind.CONSUMER, "mail")
    assert results == {f"{span.context.span_id:x}" for span in ran}
    assert len(results) == 20
    (sent,) = traced.spans(SpanKind.PRODUCER, "mail")
    assert told(sent)[messaging.BATCH_COUNT] == 20
    assert {span.links[0].context.span_id for span in ran} == {sent.context.span_id}
    assert not trace.get_current_span().get_span_context().is_valid


def test_a_failed_attempt_says_what_happened_without_secrets(traced: Traced) -> None:
    traced.app.enqueue("charge", {"order": -1})
    traced.app.enqueue("refuse")
    traced.app.enqueue("charge", {"order": 0}, max_attempts=1)
    drain(traced.app)
    wrong, asked = traced.spans(SpanKind.CONSUMER, "charge")
    refused = traced.one(SpanKind.CONSUMER, "refuse")
    outcomes = [
        (told(span)[messaging.OUTCOME], told(span)[messaging.ERROR_TYPE]) for span in (wrong, asked, refused)
    ]
    assert outcomes == [
        ("retried", "ValueError"),
        ("failed", "windlass.outcome.Retry"),
        ("failed", "windlass.outcome.PermanentError"),
    ]
    for span in (wrong, asked, refused):
        assert span.status.status_code is StatusCode.ERROR
        assert [event.name for event in span.events] == ["exception"]
    (event,) = wrong.events
    assert dict(event.attributes or {})["exception.type"] == "ValueError"
    assert "no order -1" in str(dict(event.attributes or {})["exception.message"])
    assert "hunter2" not in wrong.to_json()


def test_arguments_that_do_not_fit_are_an_error_too(traced: Traced) -> None:
    with traced.app.transaction() as connection:
        connection.execute(
            "INSERT INTO background_service_jobs (job_key, payload, status) "
            "VALUES ('charge', '{}', 'PENDING')"
        )
    drain(traced.app)
    span = traced.one(SpanKind.CONSUMER, "charge")
    assert (told(span)[messaging.OUTCOME], span.status.status_code) == ("failed", StatusCode.ERROR)


def test_the_steps_of_a_chain_are_one_enqueue(traced: Traced) -> None:
    chain(traced.app.step("mail"), traced.app.step("charge", {"order": 1})).enqueue()
    drain(traced.app)
    (sent,) = [span for span in traced.exporter.get_finished_spans() if span.name == "enqueue"]
    assert told(sent)[messaging.BATCH_COUNT] == 2
    assert traced.one(SpanKind.CONSUMER, "charge").links[0].context.span_id == sent.context.span_id


def test_an_enqueue_that_fails_is_seen(traced: Traced) -> None:
    with pytest.raises(Exception, match="durability"):
        traced.app.enqueue("mail", durability="perhaps")  # pyright: ignore[reportArgumentType]
    assert traced.one(SpanKind.PRODUCER, "mail").status.status_code is StatusCode.ERROR


def test_who_is_not_instrumented_pays_nothing(tmp_path: Path) -> None:
    app = Windlass(tmp_path / "plain.db")
    assert app.client.around is None
    assert type(app.make_performer(None, print)) is Performer
    assert app.enqueue("mail").meta == {}
    app.close()


def test_all_names_of_the_conventions_stand_in_one_module() -> None:
    folder = Path(messaging.__file__).parents[1]
    named = {
        path.name
        for path in folder.rglob("*.py")
        if re.search(r'"(messaging|error)\.[a-z.]+"', path.read_text(encoding="utf-8"))
    }
    assert named == {"messaging.py"}


PROGRAM = """
import json, os
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from windlass import Windlass
from windlass.contrib.opentelemetry import instrument

class FileExporter(SpanExporter):
    def export(self, spans):
        with open("spans.jsonl", "a") as file:
            for span in spans:
                told = json.loads(span.to_json(indent=None))
                file.write(json.dumps({**told, "pid": os.getpid()}) + "\\n")
        return SpanExportResult.SUCCESS

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(FileExporter()))
trace.set_tracer_provider(provider)
app = Windlass("app.db", isolates=1)
instrument(app)

@app.job
def first() -> int:
    second.enqueue()
    return os.getpid()

@app.job
async def second() -> int:
    return os.getpid()
"""
RUN = """
import json
from program import app, first, provider
from opentelemetry import trace
app.service.start("program.py", wait="30s")
with trace.get_tracer("shop").start_as_current_span("request"):
    job = first.enqueue()
pid = app.jobs.wait(job.id, "30s").result
(other,) = app.jobs.list(key="second")
assert app.jobs.wait(other.id, "30s").result == pid
assert app.service.stop()
provider.force_flush()
print(json.dumps([job.id, pid]))
"""


@pytest.mark.slow
@pytest.mark.alone
def test_a_trace_goes_from_a_program_into_a_real_isolate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", RUN], cwd=tmp_path, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    job_id, pid = json.loads(done.stdout)
    spans = [json.loads(line) for line in (tmp_path / "spans.jsonl").read_text().splitlines()]
    by_name = {span["name"]: span for span in spans}
    # The isolate's spans lay in a batch that nobody would have asked for within five seconds.
    assert len(spans) == len(by_name) == 5
    sent, ran = by_name["enqueue first"], by_name["perform first"]
    assert sent["parent_id"] == by_name["request"]["context"]["span_id"]
    assert ran["parent_id"] is None
    assert [link["context"]["span_id"] for link in ran["links"]] == [sent["context"]["span_id"]]
    assert ran["attributes"]["messaging.message.id"] == str(job_id)
    assert by_name["enqueue second"]["parent_id"] == ran["context"]["span_id"]
    assert [link["context"]["span_id"] for link in by_name["perform second"]["links"]] == [
        by_name["enqueue second"]["context"]["span_id"]
    ]
    assert {ran["pid"], by_name["enqueue second"]["pid"], by_name["perform second"]["pid"]} == {pid}
    assert sent["pid"] != pid
