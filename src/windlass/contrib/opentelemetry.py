"""Traces by OpenTelemetry: a span where a job is enqueued, and one for each of its attempts, linked to it.

Call ``instrument(app)`` where the app is made, so that the service's processes, which load the same module,
do so as well. What is done with the spans is for the program's ``TracerProvider`` to say, in each process::

    from opentelemetry import trace
    from windlass.contrib.opentelemetry import instrument

    trace.set_tracer_provider(...)
    instrument(app)

The trace context of the enqueue travels in the job's ``meta``, as ``traceparent`` and ``tracestate`` of the
W3C's recommendation, so programs in other languages can read and write it. An attempt may run hours after the
enqueue, and more than once: so it is a trace of its own, with a link, and not a child. Whatever the handler
does in its turn, further enqueues included, belongs to the attempt's trace. Pushes and pulls of synced tables
are jobs, and so have their spans, too.

Needs the extra ``otel``; spans need ``opentelemetry-sdk`` and an exporter in the program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import Token
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from opentelemetry import context, trace
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from windlass.contrib import messaging
from windlass.outcome import AnyOutcome, Crashed, Failed, Retried
from windlass.redact import describe, message_of
from windlass.store.protocol import Claim, NewJob
from windlass.version import VERSION

if TYPE_CHECKING:
    from windlass.app import Windlass
    from windlass.context import Resources
    from windlass.job import Job

_FIELDS = ("traceparent", "tracestate")
_W3C = TraceContextTextMapPropagator()


def instrument(app: Windlass, *, tracer_provider: TracerProvider | None = None) -> None:
    """Makes spans of an app's enqueues and attempts; a second call for one app changes nothing.

    ``tracer_provider`` is the program's global one unless it is given; it may be set later than this.

    >>> import tempfile
    >>> from windlass import Windlass
    >>> app = Windlass(tempfile.mkdtemp() + "/app.db")
    >>> instrument(app)
    """
    if any(isinstance(observer, AttemptSpans) for observer in app.registry.observers):
        return
    tracer = trace.get_tracer("windlass", VERSION, tracer_provider)
    app.client.around = EnqueueSpans(tracer).submit
    app.registry.observers.append(AttemptSpans(tracer, tracer_provider))


class EnqueueSpans:
    """A producer's span around every enqueue, whose context goes with the jobs."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def submit(self, jobs: list[NewJob], insert: Callable[[list[NewJob]], list[Job]]) -> list[Job]:
        """Inserts the jobs within a span."""
        name, attributes = messaging.enqueue_span(jobs)
        with self._tracer.start_as_current_span(name, kind=SpanKind.PRODUCER, attributes=attributes) as span:
            carrier: dict[str, str] = {}
            _W3C.inject(carrier)
            told = insert([_carrying(job, carrier) for job in jobs] if carrier else jobs)
            if len(told) == 1 and span.is_recording():
                span.set_attribute(messaging.MESSAGE_ID, str(told[0].id))
                span.set_attribute(messaging.DISPOSITION, told[0].disposition)
            return told


class _Begun(NamedTuple):
    span: Span
    token: Token[Any]


class AttemptSpans:
    """A consumer's span around every attempt, linked to that of its enqueue."""

    def __init__(self, tracer: Tracer, provider: TracerProvider | None) -> None:
        self._tracer = tracer
        self._provider = provider

    def begin(self, claim: Claim, resources: Resources) -> _Begun:
        """Starts the span, and makes it the current one."""
        name, attributes = messaging.attempt_span(claim)
        span = self._tracer.start_span(
            name,
            context=context.Context(),
            kind=SpanKind.CONSUMER,
            attributes=attributes,
            links=_links(claim, resources),
        )
        return _Begun(span, context.attach(trace.set_span_in_context(span)))

    def end(self, begun: _Begun, claim: Claim, outcome: AnyOutcome, error: BaseException | None) -> None:
        """Ends it, with what came out."""
        del claim
        context.detach(begun.token)
        span = begun.span
        if span.is_recording():
            span.set_attributes(messaging.outcome_of(outcome))
            if isinstance(outcome, (Failed, Retried, Crashed)):
                span.set_attribute(messaging.ERROR_TYPE, messaging.error_type(outcome, error))
                if error is not None:
                    # As our own text of it, in which secrets are redacted: exceptions carry what they like.
                    told = {"exception.message": message_of(error), "exception.stacktrace": describe(error)}
                    span.record_exception(error, attributes=told)
                span.set_status(Status(StatusCode.ERROR, _last_line(outcome.error)))
        span.end()

    def close(self, patience_s: float) -> None:
        """Has the provider pass on what it has."""
        provider: Any = self._provider or trace.get_tracer_provider()
        flush = getattr(provider, "force_flush", None)
        if flush is not None:
            flush(int(patience_s * 1000))


def _carrying(job: NewJob, carrier: dict[str, str]) -> NewJob:
    """The job with the context in its meta; a context that the caller put there himself stays."""
    meta: dict[str, Any] = {} if job.meta is None else msgspec.json.decode(job.meta)
    if any(field in meta for field in _FIELDS):
        return job
    return msgspec.structs.replace(job, meta=msgspec.json.encode(meta | carrier).decode())


def _links(claim: Claim, resources: Resources) -> Sequence[Link]:
    # One look at the row: claims do not carry meta, so that nobody pays for it who has no traces.
    job = resources.store.get(claim.job_id)
    if job is None:
        return ()
    carrier = {name: value for name in _FIELDS if isinstance(value := job.meta.get(name), str)}
    if not carrier:
        return ()
    found = trace.get_current_span(_W3C.extract(carrier, context.Context())).get_span_context()
    return (Link(found),) if found.is_valid else ()


def _last_line(text: str) -> str:
    return text.rstrip().rpartition("\n")[2]
