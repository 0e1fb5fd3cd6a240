"""Sends spans to a collector, from a thread: outcomes wait in a bounded queue, and no step waits for anything here.

Needs the extra `otel`; `router.loader` loads it where a collector is named.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags, TraceState
from opentelemetry.trace.status import Status, StatusCode

from router import __version__
from router.outcome import Outcome
from router.trace import Trace
from router.tracing.spans import Span, spans

LOG = logging.getLogger("turnout")
SDK_LOG = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
BUFFER = 2_048
"""Steps that wait at most; beyond, the oldest are dropped. The SDK's own queue has as many places."""
BATCH = 64
"""Steps sent in one go: encoding them holds the interpreter for a few milliseconds."""
POLL_S = 1.0
"""Seconds between looks at the queue; a full batch is sent at once."""
CLOSE_S = 5.0
"""Seconds that the last spans get at shutdown."""
QUIET_S = 60.0
"""Seconds between two lines of the log on a collector that does not take spans."""
KINDS = {"server": SpanKind.SERVER, "client": SpanKind.CLIENT}
SCOPE = InstrumentationScope("turnout", __version__)


class Seldom(logging.Filter):
    """Lets one line through in QUIET_S: a collector may be dead for days."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock, self._next = clock, clock()

    def filter(self, record: logging.LogRecord) -> bool:
        if self._clock() < self._next:
            return False
        self._next = self._clock() + QUIET_S
        return True


class Tracer:
    """Takes outcomes as they come, and sends the spans of those whose trace is sampled."""

    def __init__(
        self,
        counted: Callable[[str, int], object],
        exporter: SpanExporter | None = None,
        *,
        buffer: int = BUFFER,
        poll_s: float = POLL_S,
        close_s: float = CLOSE_S,
    ) -> None:
        """`counted` is told how many steps were `sent`, `refused` by the collector or not taken in time, or `dropped`
        as too many waited. `exporter`: one for OTLP over HTTP, by the standard variables, where not given."""
        if exporter is None:
            logging.getLogger(SDK_LOG).addFilter(Seldom())
            exporter = OTLPSpanExporter()
        self._exporter, self._counted = exporter, counted
        self._resource = _resource()
        self._poll_s, self._close_s = poll_s, close_s
        self._queue: deque[Outcome] = deque(maxlen=buffer)
        self._wake = threading.Event()
        self._stopping = self._over = False
        self._thread = threading.Thread(target=self._run, name="tracing", daemon=True)

    def observe(self, outcome: Outcome) -> None:
        """Takes the outcome of a step."""
        if not outcome.sampled:
            return
        if len(self._queue) == self._queue.maxlen:
            self._counted("dropped", 1)
        self._queue.append(outcome)
        if len(self._queue) == BATCH:
            self._wake.set()

    def start(self) -> None:
        """Begins to send. What was taken before is not lost."""
        self._thread.start()

    def close(self) -> None:
        """Sends what is left, for a few seconds at most. Blocks; for good."""
        if not self._thread.is_alive():
            return
        self._stopping = True
        self._wake.set()
        self._thread.join(self._close_s)
        self._over = True
        self._exporter.shutdown()
        if left := self.waiting:
            self._queue.clear()
            self._counted("dropped", left)
            LOG.warning("tracing: the collector does not take spans; those of %d steps are lost", left)

    @property
    def waiting(self) -> int:
        """Steps whose spans are to be sent yet."""
        return len(self._queue)

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(self._poll_s)
            self._wake.clear()
            self._send()
        self._send()  # what came between the last look and the end

    def _send(self) -> None:
        """Sends all that waits, batch by batch."""
        while self._queue and not self._over:
            batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
            self._counted("sent" if self._sent(batch) else "refused", len(batch))

    def _sent(self, batch: list[Outcome]) -> bool:
        try:
            made = [self._made(span, outcome.trace) for outcome in batch for span in spans(outcome) if outcome.trace]
            return self._exporter.export(made) is SpanExportResult.SUCCESS
        except Exception:  # whatever an exporter fails with, the thread goes on with the next batch
            LOG.exception("tracing: the spans of %d steps cannot be sent", len(batch))
            return False

    def _made(self, span: Span, trace: Trace) -> ReadableSpan:
        """The span as the SDK has it."""
        state = TraceState.from_header([trace.state]) if trace.state else None

        def context(span_id: str, remote: bool) -> SpanContext:
            return SpanContext(int(trace.trace_id, 16), int(span_id, 16), remote, TraceFlags(trace.flags), state)

        return ReadableSpan(
            span.name,
            context=context(span.span_id, False),
            parent=context(span.parent_id, span.kind == "server") if span.parent_id is not None else None,
            resource=self._resource,
            attributes=span.attributes,
            kind=KINDS[span.kind],
            status=Status(StatusCode.ERROR, span.error) if span.error is not None else Status(),
            start_time=span.start,
            end_time=span.end,
            instrumentation_scope=SCOPE,
        )


def _resource() -> Resource:
    """What the standard variables say of this service; its name is `turnout` where they say none."""
    found = Resource.create({SERVICE_VERSION: __version__})
    if str(found.attributes[SERVICE_NAME]).startswith("unknown_service"):
        found = found.merge(Resource({SERVICE_NAME: "turnout"}))
    return found
