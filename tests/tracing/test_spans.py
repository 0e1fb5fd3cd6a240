"""A step as spans: names, ids, times and attributes."""

from __future__ import annotations

import msgspec
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as conventions
from pydantic import HttpUrl

from router.tracing.spans import spans
from tests.tracing.made import FAILED, TRACE, attempt, decision, outcome

START = 1_800_000_000


def test_a_step_and_its_attempt() -> None:
    """Names, kinds, ids, and times in nanoseconds."""
    step, call = spans(outcome(attempt()))
    assert (step.name, step.kind, step.span_id, step.parent_id) == ("chat n", "server", "b" * 16, "c" * 16)
    assert (call.name, call.kind, call.span_id, call.parent_id) == ("chat maker/n-1", "client", f"{1:016x}", "b" * 16)
    assert (step.start, step.end) == (START * 10**9, (START + 2) * 10**9)
    assert (call.start, call.end) == (START * 10**9 + 500_000_000, (START + 2) * 10**9)
    assert step.error is None and call.error is None


def test_what_is_said_of_a_step() -> None:
    """What was asked, decided and why, what was expected, and what came of it."""
    assert spans(outcome(attempt()))[0].attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.response.model": "n",
        "gen_ai.conversation.id": "run_1",
        "gen_ai.request.stream": False,
        "http.response.status_code": 200,
        "turnout.decision_id": "dec_1",
        "turnout.step_id": "step_1",
        "turnout.class": "code",
        "turnout.policy": "default",
        "turnout.policy_version": "v1",
        "turnout.result": "accepted",
        "turnout.attempts": 1,
        "turnout.cost_usd": 0.25,
        "turnout.overhead_s": 0.0001,
        "turnout.plan": ("n/off", "q/off"),
        "turnout.p_success": 0.9,
        "turnout.expected_cost_usd": 0.002,
        "turnout.expected_seconds": 3.0,
        "turnout.accuracy_met": True,
        "turnout.why": "accuracy",
        "turnout.reason": "the cheapest that meets 0.9",
        "turnout.propensity": 1.0,
        "turnout.beliefs_version": 7,
    }


def test_what_is_said_of_an_attempt() -> None:
    """Where it went, its tokens and its cost; tokens are on attempts alone, so that nobody counts them twice."""
    told = attempt(cached_tokens=60, reasoning_tokens=10, first_token_s=0.2, estimated=True, checks=(FAILED,))
    assert spans(outcome(told))[1].attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "maker/n-1",
        "gen_ai.provider.name": "d",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.time_to_first_chunk": 0.2,
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 40,
        "gen_ai.usage.cache_read.input_tokens": 60,
        "gen_ai.usage.reasoning.output_tokens": 10,
        "http.response.status_code": 200,
        "turnout.arm": "n/off",
        "turnout.model": "n",
        "turnout.deployment": "d",
        "turnout.position": 0,
        "turnout.cost_usd": 0.25,
        "turnout.estimated": True,
        "turnout.accepted": False,
        "turnout.checks_failed": ("schema",),
        "server.address": "gpu",
        "server.port": 8000,
        "turnout.p_success": 0.75,
        "turnout.expected_cost_usd": 0.001,
        "turnout.attempt": 1,
    }


def test_a_provider_by_its_name() -> None:
    """litellm's for other dialects, whose address may be unknown or not the usual one."""
    told = spans(outcome(attempt(), decision=decision(litellm_provider="bedrock", base_url=None)))[1].attributes
    assert told["gen_ai.provider.name"] == "bedrock" and "server.address" not in told
    other = decision(litellm_provider="anthropic", base_url=None, api_base=HttpUrl("https://inner"))
    told = spans(outcome(attempt(), decision=other))[1].attributes
    assert (told["server.address"], told["server.port"]) == ("inner", 443)


def test_a_fault_is_the_attempts() -> None:
    """The step went well with another attempt: its span is no error. Of a call without an answer nothing is counted."""
    fault = attempt(1, fault="status", status=503, input_tokens=0, output_tokens=0, finish_reason=None)
    step, first, second = spans(outcome(fault, attempt(2)))
    assert (step.error, first.error, second.error) == (None, "status", None)
    assert (first.attributes["error.type"], first.attributes["http.response.status_code"]) == ("status", 503)
    assert not any(name.startswith(("gen_ai.usage", "gen_ai.response")) for name in first.attributes)
    assert (first.attributes["turnout.attempt"], second.attributes["turnout.attempt"]) == (1, 2)


def test_a_failed_step_is_an_error() -> None:
    """By the code that the caller saw; its own mistake, or its leaving, is named and is none."""
    failed = spans(outcome(status=503, result="error", error="unavailable"))[0]
    assert (failed.name, failed.error, failed.attributes["error.type"]) == ("chat", "unavailable", "unavailable")
    assert "gen_ai.response.model" not in failed.attributes
    assert isinstance(failed.attributes["turnout.cost_usd"], float)  # a backend takes the first type that it sees
    assert spans(outcome(status=500, result="error"))[0].error == "error"
    mistake = spans(outcome(status=400, result="error", error="bad_request"))[0]
    assert (mistake.error, mistake.attributes["error.type"]) == (None, "bad_request")
    left = spans(outcome(attempt(fault="cancelled"), status=499, result="disconnected"))
    assert (left[0].error, left[0].attributes["error.type"], left[1].error) == (None, "disconnected", "cancelled")


def test_a_step_without_a_decision() -> None:
    """One that was refused before, or asks for vectors, has what is known."""
    refused = spans(outcome(decision=None, policy="", policy_version="", step_class="none", run_id=None, step_id=None))[
        0
    ]
    assert not {"turnout.plan", "turnout.policy", "gen_ai.conversation.id"} & refused.attributes.keys()
    step, call = spans(outcome(attempt(finish_reason=None), decision=None, step_class="embeddings"))
    assert (step.name, call.name) == ("embeddings n", "embeddings n")
    assert call.attributes["gen_ai.operation.name"] == "embeddings" and call.attributes["gen_ai.provider.name"] == "d"


def test_without_a_trace_there_are_none() -> None:
    """As of records that are read back: their spans were sent long ago."""
    assert spans(outcome(attempt(), trace=None)) == ()
    assert spans(outcome(attempt(), trace=msgspec.structs.replace(TRACE, span_id=""))) == ()


def test_the_names_are_those_of_the_conventions() -> None:
    """Each `gen_ai` attribute is one that OpenTelemetry's own package knows, and none of them is for content."""
    known = {
        value for name, value in vars(conventions).items() if name.startswith("GEN_AI_") and isinstance(value, str)
    }
    full = attempt(cached_tokens=60, reasoning_tokens=10, first_token_s=0.2)
    used = {name for span in spans(outcome(full)) for name in span.attributes if name.startswith("gen_ai.")}
    assert used <= known and len(used) == 12
    assert not {"gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions"} & used
