"""Sending spans: with the SDK's own exporter to memory, and over HTTP to a collector that reads what comes."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Sequence

import msgspec
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from router import trace
from router.outcome import Outcome
from router.tracing import exporter
from router.tracing.exporter import BATCH, Seldom, Tracer
from tests.tracing.collecting import Collector, told, until
from tests.tracing.made import TRACE, attempt, outcome

UNSAMPLED = msgspec.structs.replace(TRACE, flags=0)


class Told(Counter[str]):
    """What a tracer counts."""

    def __call__(self, result: str, number: int) -> None:
        self[result] += number


class Stuck(SpanExporter):
    """Takes nothing until `go`; then fails where it is `broken`."""

    def __init__(self, *, broken: bool = False) -> None:
        self.go, self.broken, self.took = threading.Event(), broken, 0
        self.ended = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.go.wait(10)
        if self.broken:
            raise RuntimeError("no way")
        self.took += len(spans)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self.ended = True


def sent(*outcomes: Outcome) -> tuple[tuple[ReadableSpan, ...], Told]:
    """What the SDK is handed of these, and what was counted."""
    memory, count = InMemorySpanExporter(), Told()
    tracer = Tracer(count, memory)
    for one in outcomes:
        tracer.observe(one)
    tracer.start()
    tracer.close()
    return memory.get_finished_spans(), count


def test_spans_as_the_sdk_has_them() -> None:
    """The step below the caller's span, its attempts below the step, all in the caller's trace."""
    (step, first, second), count = sent(outcome(attempt(1, fault="status", status=503), attempt(2)))
    assert step.context is not None and step.parent is not None and first.context is not None
    assert first.parent is not None and second.parent is not None
    assert {s.context.trace_id for s in (step, first, second) if s.context} == {int(TRACE.trace_id, 16)}
    assert (step.context.span_id, step.parent.span_id) == (int("b" * 16, 16), int("c" * 16, 16))
    assert (first.context.span_id, first.parent.span_id) == (1, step.context.span_id)
    assert (step.parent.is_remote, first.parent.is_remote, second.parent.is_remote) == (True, False, False)
    assert (step.kind, first.kind) == (SpanKind.SERVER, SpanKind.CLIENT)
    assert (step.status.status_code, first.status.status_code) == (StatusCode.UNSET, StatusCode.ERROR)
    assert first.status.description == "status" and step.context.trace_state.to_header() == "congo=1"
    assert step.attributes is not None and step.attributes["turnout.p_success"] == 0.9
    assert step.resource.attributes["service.name"] == "turnout"
    assert count == {"sent": 1}


def test_a_step_that_begins_its_trace_has_no_parent() -> None:
    """It is the trace's root, and there is no state to tell."""
    (step,), _ = sent(outcome(trace=msgspec.structs.replace(TRACE, parent_id=None, state="")))
    assert step.parent is None and step.context is not None and len(step.context.trace_state) == 0


def test_no_state_that_goes_on_fills_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """The SDK writes a line for each entry that it cannot read; a caller could have it write one for each request."""
    for given in ("a=1", "0t@vendor=x y", "a-_*/= 1", "0a=1", "a@b@c=1", "a/@b=1", "k" * 256 + "=1", "=", "é=1"):
        found = trace.read({"traceparent": f"00-{TRACE.trace_id}-{'c' * 16}-01", "tracestate": given})
        (step,), _ = sent(outcome(trace=found))
        assert step.context is not None and step.context.trace_state.to_header() == found.state
    assert not caplog.records


def test_what_is_not_sampled_is_not_sent() -> None:
    """The caller's mark is heeded; a step without a trace has nothing to send."""
    assert sent(outcome(trace=UNSAMPLED), outcome(trace=None)) == ((), {})


def test_over_http_to_a_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    """As protobuf, by the standard variables: address, headers, compression, and what the service is called."""
    with Collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=rail")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        monkeypatch.setenv("OTEL_SERVICE_NAME", "router-of-ours")
        count = Told()
        tracer = Tracer(count)
        tracer.start()
        tracer.observe(outcome(attempt()))
        tracer.close()
    assert collector.paths == ["/v1/traces"] and collector.headers[0]["x-team"] == "rail"
    (request,) = collector.requests
    assert told(request.resource_spans[0].resource.attributes)["service.name"] == "router-of-ours"
    assert request.resource_spans[0].scope_spans[0].scope.name == "turnout"
    step, call = collector.spans
    assert (step.name, call.name) == ("chat n", "chat maker/n-1")
    assert step.trace_id.hex() == call.trace_id.hex() == TRACE.trace_id
    assert (step.parent_span_id.hex(), call.parent_span_id.hex()) == (TRACE.parent_id, TRACE.span_id)
    assert (step.trace_state, step.end_time_unix_nano - step.start_time_unix_nano) == ("congo=1", 2_000_000_000)
    assert told(step.attributes)["turnout.plan"] == ["n/off", "q/off"]
    assert told(call.attributes)["gen_ai.usage.output_tokens"] == 40
    assert count == {"sent": 1}


def test_a_full_batch_is_sent_at_once() -> None:
    """And no later than the interval where it is not full."""
    memory = InMemorySpanExporter()
    tracer = Tracer(Told(), memory, poll_s=30)
    tracer.start()
    for _ in range(BATCH):
        tracer.observe(outcome())
    until(lambda: len(memory.get_finished_spans()) == BATCH)
    tracer.close()
    later = InMemorySpanExporter()
    soon = Tracer(Told(), later, poll_s=0.02)
    soon.start()
    soon.observe(outcome())
    until(later.get_finished_spans)
    soon.close()


def test_a_collector_that_hangs_costs_nothing_but_spans() -> None:
    """Steps are taken without a wait, no more than the bound is kept, the oldest go first and are counted; the
    end of the server waits for a bounded time."""
    stuck, count = Stuck(), Told()
    tracer = Tracer(count, stuck, buffer=100, poll_s=0.01, close_s=0.2)
    tracer.start()
    tracer.observe(outcome())
    until(lambda: not tracer.waiting)
    began = time.monotonic()
    for _ in range(250):
        tracer.observe(outcome())
    assert time.monotonic() - began < 1.0 and tracer.waiting == 100
    assert count == {"dropped": 150}
    began = time.monotonic()
    tracer.close()
    assert 0.1 < time.monotonic() - began < 3.0 and stuck.ended and tracer.waiting == 0
    assert count == {"dropped": 250}
    stuck.go.set()


def test_a_collector_that_refuses_is_asked_again_with_the_next() -> None:
    """A refused batch is counted and gone; the thread lives on, whatever an exporter raises."""
    stuck, count = Stuck(broken=True), Told()
    stuck.go.set()
    tracer = Tracer(count, stuck, poll_s=0.01)
    tracer.start()
    tracer.observe(outcome())
    until(lambda: count["refused"] == 1)
    stuck.broken = False
    tracer.observe(outcome(attempt()))
    until(lambda: count["sent"] == 1)
    assert stuck.took == 2
    tracer.close()


def test_the_end_waits_for_what_there_is() -> None:
    """More than one batch, all sent. One that was never started ends at once."""
    spans, count = sent(*[outcome(attempt())] * (3 * BATCH))
    assert (len(spans), count) == (6 * BATCH, {"sent": 3 * BATCH})
    Tracer(Told(), InMemorySpanExporter()).close()


def test_the_log_is_not_filled() -> None:
    """A collector may be dead for days: one line in a minute."""
    now = [0.0]
    seldom = Seldom(lambda: now[0])
    record = logging.LogRecord("x", logging.ERROR, "x", 1, "failed", (), None)
    let = []
    for now[0] in (0.0, 1.0, 59.0, 60.0, 61.0, 120.0):
        let.append(seldom.filter(record))
    assert let == [True, False, False, True, False, True]
    assert exporter.QUIET_S == 60.0
