"""A serving proxy and a collector: what is seen there of real steps, and that a dead one is never noticed."""

from __future__ import annotations

import asyncio
import os

import pytest

from tests.faulty import closed_url
from tests.proxy.conftest import pytest_asyncio_loop_factories, yard
from tests.proxy.yard import CHEAP_THEN_DEAR, Yard
from tests.tracing.collecting import Collector, told

__all__ = ["pytest_asyncio_loop_factories", "yard"]
ID, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GIVEN = {"traceparent": f"00-{ID}-{SPAN}-01", "tracestate": "congo=t61rcWkgMzE"}


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Collector:
    with Collector() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.url)
        yield found  # type: ignore[misc]


async def test_a_step_with_a_rejected_answer(yard: Yard, collector: Collector) -> None:
    """One span for the step and one for each attempt, each what its upstream was told; no word of what was said."""
    proxy = await yard({"cheap": "empty-content", "dear": "good"}, environment=dict(os.environ))
    secret = "swordfish-7Q"
    message = {"role": "user", "content": f"Say {secret}."}
    got = await proxy.chat(GIVEN, turnout=CHEAP_THEN_DEAR, messages=[message])
    outcome = await proxy.settled()
    heard = [exchange.headers["traceparent"].split("-")[2] for exchange in proxy.upstream.seen]
    await yard.stop()
    step, first, second = collector.spans
    assert {s.trace_id.hex() for s in collector.spans} == {ID} and step.parent_span_id.hex() == SPAN
    assert [first.span_id.hex(), second.span_id.hex()] == heard
    assert {first.parent_span_id, second.parent_span_id} == {step.span_id}
    assert step.start_time_unix_nano <= first.start_time_unix_nano < first.end_time_unix_nano
    assert first.end_time_unix_nano <= second.start_time_unix_nano < second.end_time_unix_nano
    assert second.end_time_unix_nano <= step.end_time_unix_nano + 1_000_000
    about = told(step.attributes)
    assert about["turnout.decision_id"] == got.headers["x-turnout-decision-id"]
    assert about["turnout.plan"] == ["cheap/off", "dear/off"] and about["turnout.attempts"] == 2
    assert about["turnout.p_success"] == pytest.approx(0.904) and about["turnout.result"] == "accepted"
    assert about["turnout.cost_usd"] == pytest.approx(outcome.cost_usd)
    assert told(first.attributes)["turnout.checks_failed"] and told(second.attributes)["turnout.accepted"] is True
    assert told(second.attributes)["gen_ai.response.finish_reasons"] == ["stop"]
    assert not any(secret.encode() in request.SerializeToString() for request in collector.requests)


async def test_what_the_caller_does_not_sample(yard: Yard, collector: Collector) -> None:
    """Is not sent."""
    proxy = await yard(environment=dict(os.environ))
    await proxy.chat({"traceparent": f"00-{ID}-{SPAN}-00"})
    await proxy.chat()
    await proxy.all_settled()
    await yard.stop()
    assert [s.trace_id.hex() for s in collector.spans] == [proxy.outcomes[1].trace_id] * 2


@pytest.mark.parametrize("dead", ["closed", "hangs", "refuses"])
async def test_a_dead_collector_is_not_noticed(
    yard: Yard, collector: Collector, monkeypatch: pytest.MonkeyPatch, dead: str
) -> None:
    """No step fails or waits for it, and the server ends in time; what was not taken is counted."""
    collector.status = 400
    if dead == "hangs":
        collector.go.clear()
    if dead == "closed":
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", closed_url())
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    proxy = await yard(environment=dict(os.environ))
    async with asyncio.timeout(5):
        for _ in range(20):
            assert (await proxy.chat()).status == 200
        await asyncio.sleep(1.2)
        assert (await proxy.chat()).status == 200
        metrics = (await proxy.fetch("GET", "/metrics")).body
    if dead == "refuses":
        assert b'turnout_traced_steps_total{result="refused"} 20.0' in metrics
    async with asyncio.timeout(8):
        await yard.stop()


async def test_without_a_collector_nothing_is_sent(yard: Yard, collector: Collector) -> None:
    """Nor where the setting says off."""
    proxy = await yard(environment=dict(os.environ), tracing="off")
    await proxy.chat(GIVEN)
    await proxy.settled()
    await yard.stop()
    assert collector.requests == []
