"""A policy's own judge, a real server: its word moves the plan on, and its silence never harms a step."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from router.attempts.judging import Case, question
from router.outcome import Names
from router.wire.answer import Answer, Choice, ToolCall
from router.wire.chat import parse
from tests.proxy.yard import CHEAP_THEN_DEAR, CHECKS, HELLO, RATES, Yard

Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Bench:
    """A judge on a free port; it gives its replies in turn, the last one ever after."""

    def __init__(self, *replies: Any) -> None:
        self.replies, self.asked, self.keys = list(replies), [], []
        self.gone = 0

    async def hear(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await request.json())
        self.keys.append(request.headers.get("authorization"))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if reply is None:
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                self.gone += 1
                raise
        if isinstance(reply, int):
            return web.Response(status=reply, headers={"location": "/other"}, text='{"success": false}')
        return web.Response(body=reply if isinstance(reply, bytes) else json.dumps(reply).encode())

    async def other(self, request: web.Request) -> web.StreamResponse:
        raise AssertionError("a redirect was followed")


@asynccontextmanager
async def sitting(*replies: Any) -> AsyncIterator[tuple[Bench, str]]:
    bench = Bench(*replies)
    app = web.Application()
    app.router.add_post("/judge", bench.hear)
    app.router.add_route("*", "/other", bench.other)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield bench, f"http://127.0.0.1:{runner.addresses[0][1]}/judge"
    finally:
        await runner.cleanup()


def judged(url: str, **judge: Any) -> dict[str, Any]:
    """A policy whose steps a judge decides."""
    return {
        "judges": {"tests": {"url": url, "seconds": 0.2, "cost": 0.000001, **judge}},
        "verify": [*CHECKS, "tests"],
        "rates": {**RATES, "tests": {"t": 1.0, "f": 0.05}},
        "hold": "always",
    }


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("client", ["native", "aiohttp"])
async def test_a_rejection_starts_the_next_attempt(yard: Yard, stream: bool, client: str) -> None:
    """The judge sees the step and each answer, whole or held, and its time and cost are counted apart."""
    does = "good-stream" if stream else "good"
    async with sitting({"success": False, "reason": "2 failed"}, {"score": 0.9}) as (bench, url):
        proxy = await yard({"cheap": does, "dear": does}, policy=judged(url), client=client)
        got = await proxy.chat(stream=stream, turnout=CHEAP_THEN_DEAR | {"step_id": "s1"})
        outcome = await proxy.settled()
    assert got.status == 200
    assert (outcome.result, [a.model for a in outcome.attempts]) == ("accepted", ["cheap", "dear"])
    first, second = bench.asked
    assert (first["judge"], first["attempt"], second["attempt"]) == ("tests", 1, 2)
    assert (first["step_class"], first["step_id"], first["run_id"]) == ("chat", "s1", None)
    assert first["decision_id"] == second["decision_id"] == outcome.decision_id
    assert first["messages"] == [{"role": "user", "content": "Hello."}]
    assert first["choices"][0]["message"] == {"role": "assistant", "content": "All is well."}
    tests = [next(c for c in a.checks if c.name == "tests") for a in outcome.attempts]
    assert [(c.passed, c.reason) for c in tests] == [(False, "the judge rejected it"), (True, "")]
    assert [j.result for a in outcome.attempts for j in a.judgings] == ["rejected", "accepted"]
    assert outcome.cost_usd == pytest.approx(sum(a.cost_usd for a in outcome.attempts) + 2e-6)
    metrics = (await proxy.fetch("GET", "/metrics")).body
    assert b'turnout_judge_calls_total{judge="tests",policy="default",result="rejected"} 1.0' in metrics
    assert b'turnout_judge_cost_usd_total{judge="tests",policy="default"} 2e-06' in metrics


SILENT: list[tuple[str, Any, dict[str, Any], str]] = [
    ("late", None, {"timeout": 0.2}, "timeout"),
    ("garbage", b"<html>\xff", {}, "invalid"),
    ("nested without end", b"[" * 50_000, {}, "invalid"),
    ("no verdict", {"ok": True}, {}, "invalid"),
    ("a word for a verdict", {"success": "no"}, {}, "invalid"),
    ("a score of 7", {"score": 7}, {}, "invalid"),
    ("huge", b'{"success": false, "reason": "' + b"x" * 100_000 + b'"}', {}, "invalid"),
    ("an error", 500, {}, "status"),
    ("a redirect", 307, {}, "status"),
]


@pytest.mark.parametrize(("reply", "judge", "result"), [s[1:] for s in SILENT], ids=[s[0] for s in SILENT])
async def test_a_judge_that_fails_gives_no_verdict(yard: Yard, reply: Any, judge: dict[str, Any], result: str) -> None:
    """The answer stands, no attempt follows, nothing counts as evidence, and the metric says why."""
    async with sitting(reply) as (_, url):
        proxy = await yard({"cheap": "good", "dear": "good"}, policy=judged(url, **judge))
        got = await proxy.chat(turnout=CHEAP_THEN_DEAR)
        outcome = await proxy.settled()
    assert got.status == 200 and "x-turnout-rejected" not in got.headers
    (attempt,) = outcome.attempts
    assert ([j.result for j in attempt.judgings], attempt.opinion) == ([result], None)
    assert "tests" not in [c.name for c in attempt.checks]


async def test_a_judge_that_is_not_there(yard: Yard) -> None:
    """Costs nothing but the try."""
    async with sitting({}) as (_, url):
        pass
    proxy = await yard({"cheap": "good"}, policy=judged(url))
    assert (await proxy.chat()).status == 200
    (judging,) = (await proxy.settled()).attempts[0].judgings
    assert (judging.result, judging.cost_usd) == ("unreachable", 0.0)


async def test_leaving_while_the_judge_sits(yard: Yard) -> None:
    """The judge's connection is closed as an upstream's would be; the attempt stays in the record, paid."""
    async with sitting(None) as (bench, url):
        proxy = await yard({"cheap": "good", "dear": "good"}, policy=judged(url))
        _, writer = await proxy.connect(turnout=CHEAP_THEN_DEAR)
        async with asyncio.timeout(2):
            while not bench.asked:  # noqa: ASYNC110 (the judge is told nothing else)
                await asyncio.sleep(0.01)
        writer.close()
        outcome = await proxy.settled()
        async with asyncio.timeout(2):
            while not bench.gone:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert (outcome.status, outcome.result) == (499, "disconnected")
    assert len(outcome.attempts) == 1 and outcome.attempts[0].cost_usd > 0


async def test_the_deadline_ends_a_judges_sitting(yard: Yard) -> None:
    """The answer goes out in time, unjudged."""
    async with sitting(None) as (_, url):
        proxy = await yard({"cheap": "good"}, policy=judged(url, timeout=600, seconds=0))
        got = await proxy.chat(turnout={"deadline": 1.0})
        outcome = await proxy.settled()
    assert got.status == 200 and outcome.attempts[0].judgings[0].result == "timeout" and outcome.seconds < 5


async def test_what_the_checks_reject_no_judge_sees(yard: Yard) -> None:
    """Checks of form cost nothing and come first."""
    async with sitting({"success": True}) as (bench, url):
        proxy = await yard({"cheap": "empty-content"}, policy=judged(url))
        got = await proxy.chat()
    assert got.headers["x-turnout-rejected"] == "true" and bench.asked == []


async def test_a_stream_that_is_not_held_is_not_judged(yard: Yard) -> None:
    """Nothing could be taken back; the caller may still say so beforehand, or turn judges off."""
    async with sitting({"success": False}) as (bench, url):
        proxy = await yard({"cheap": "good-stream"}, policy=judged(url))
        got = await proxy.chat(stream=True, turnout={"hold": False})
        assert got.status == 200 and bench.asked == []


async def test_the_key_and_the_reason(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key comes from the environment; a judge's reason, which may quote the answer, is kept only with texts."""
    async with sitting({"success": False, "reason": "x" * 900}) as (bench, url):
        policy = judged(url, key_env="JUDGE_KEY")
        proxy = await yard({"cheap": "good"}, policy=policy, environment={"JUDGE_KEY": "k1"}, journal_text=100)
        await proxy.chat()
        outcome = await proxy.settled()
    assert bench.keys == ["Bearer k1"]
    assert outcome.attempts[0].checks[-1].reason == "x" * 500


async def test_plans_count_what_judging_takes(yard: Yard) -> None:
    """Expected cost and time of an attempt hold the judge's; no request can name another judge."""
    async with sitting({"success": True}) as (_, url):
        proxy = await yard({"cheap": "good"}, policy=judged(url, seconds=7.0, cost=0.5))
        body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "Hello."}]}).encode()
        told = json.loads((await proxy.fetch("POST", "/v1/route", body, {"content-type": "application/json"})).body)
        refused = await proxy.chat(turnout={"verify": ["http://127.0.0.1:1/"]})
    assert 0.5 < told["chosen"]["expected_cost_usd"] < 0.51 and told["chosen"]["expected_seconds"] > 7.0
    assert refused.status == 400


def test_what_a_judge_is_told_of_tools_and_refusals() -> None:
    """As chat completions write them; thoughts stay behind."""
    call = ToolCall("look", '{"n": 1}', "c1")
    choices = (Choice(0, reasoning="hm", tool_calls=(call,)), Choice(1, refusal="No."))
    case = Case(Names("dec_1"), "chat", parse(json.dumps(HELLO).encode()), Answer(choices), 1)
    first, second = json.loads(question("tests", case))["choices"]
    function = {"name": "look", "arguments": '{"n": 1}'}
    assert first["message"] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": function}],
    }
    assert second["message"] == {"role": "assistant", "content": None, "refusal": "No."}
