"""A rejected answer moves the plan on, whether a check rejects it or the caller, who asks again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests import answers
from tests.answers import ROLE, WORDS, chunked
from tests.proxy.yard import CHEAP_THEN_DEAR, CHECKS, HELLO, Proxy, Yard

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
FORMAT = {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}}
TOOLS = {"tools": [{"type": "function", "function": {"name": "look", "parameters": SCHEMA}}]}


def message(finish: str = "stop", **fields: Any) -> bytes:
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": None} | fields}
    return answers.http(answers.completion(choices=[choice]))


def calling(name: str, arguments: str) -> bytes:
    call = {"id": "c", "type": "function", "function": {"name": name, "arguments": arguments}}
    return message("tool_calls", tool_calls=[call])


# check that refuses, request, wrong answer, right answer
REJECTED = [
    ("schema", FORMAT, message(content='{"n": "one"}'), message(content='{"n": 1}')),
    ("schema", FORMAT, message(content="n is 1"), message(content='{"n": 1}')),
    ("tools", TOOLS, calling("look", '{"n": 1'), calling("look", '{"n": 1}')),
    ("tools", TOOLS, calling("look", '{"n": "x"}'), calling("look", '{"n": 1}')),
    ("tools", TOOLS, calling("listen", "{}"), calling("look", '{"n": 1}')),
    ("nonempty", {}, message(content=" \n"), message(content="yes")),
    ("refusal", {}, message(content="I'm sorry, but I can't help with that."), message(content="yes")),
    ("refusal", {}, message(refusal="No."), message(content="yes")),
    ("length", {}, message("length", content="once upon"), message(content="yes")),
]


@pytest.mark.parametrize(("check", "fields", "wrong", "right"), REJECTED)
async def test_a_rejected_answer_moves_to_the_next_position(
    yard: Yard, answer: Callable[..., str], check: str, fields: dict[str, Any], wrong: bytes, right: bytes
) -> None:
    """Each check by itself starts the second attempt of the plan; both are paid."""
    proxy = await yard({"cheap": answer(wrong), "dear": answer(right)})
    got = await proxy.chat(turnout=CHEAP_THEN_DEAR | {"verify": check}, **fields)
    assert got.body == right.partition(b"\r\n\r\n")[2] and "x-turnout-rejected" not in got.headers
    assert (got.headers["x-turnout-model"], got.headers["x-turnout-attempts"]) == ("dear/off", "2")
    outcome = await proxy.settled()
    assert (outcome.result, outcome.retries_used) == ("accepted", 1)
    assert [[(c.name, c.passed) for c in a.checks] for a in outcome.attempts] == [[(check, False)], [(check, True)]]
    assert [a.position for a in outcome.attempts] == [0, 1]
    assert float(got.headers["x-turnout-cost-usd"]) == pytest.approx(25e-6 * (1 + 16))


async def test_the_last_answer_goes_out_even_if_rejected(yard: Yard, answer: Callable[..., str]) -> None:
    """Marked so; the caller decides what it is worth."""
    last = message(content="\n")
    proxy = await yard({"cheap": "empty-content", "dear": answer(last)})
    got = await proxy.chat(turnout=CHEAP_THEN_DEAR)
    assert (got.status, got.headers["x-turnout-rejected"]) == (200, "true")
    assert got.body == last.partition(b"\r\n\r\n")[2]
    outcome = await proxy.settled()
    assert outcome.result == "rejected" and len(outcome.attempts) == 2


@pytest.mark.parametrize("second", ["html-500", "bad-request", "hang"])
async def test_a_rejected_answer_is_better_than_none(yard: Yard, second: str) -> None:
    """Where the next position fails altogether, the answer that there is goes out, marked."""
    proxy = await yard({"cheap": "empty-content", "dear": second})
    got = await proxy.chat(turnout=CHEAP_THEN_DEAR | {"deadline": 1.0, "models": ["cheap", "dear"]})
    assert (got.status, got.headers["x-turnout-rejected"]) == (200, "true")
    assert got.body == answers.completion("")
    assert (await proxy.settled()).result == "rejected"


@pytest.mark.parametrize(
    ("hints", "rejected"),
    [({"retries": 0}, "true"), ({"retries": 0, "accuracy": 0.99}, "true"), ({"verify": "none", "retries": 3}, None)],
)
async def test_no_retries_is_one_attempt(yard: Yard, hints: dict[str, Any], rejected: str | None) -> None:
    """Whatever the checks say; and without checks nothing starts a second."""
    proxy = await yard({"cheap": "empty-content", "dear": "empty-content"})
    got = await proxy.chat(turnout=hints)
    assert (got.headers["x-turnout-attempts"], got.headers.get("x-turnout-rejected")) == ("1", rejected)
    assert len((await proxy.settled()).attempts) == 1


# f of every check → the plan, and P of it
RATES = [
    (0.05, "cheap/off > dear/off", 0.6 + 0.4 * 0.95 * 0.8),
    (0.0, "cheap/off > dear/off", 0.6 + 0.4 * 0.8),
    (1.0, "dear/off", 0.8),
]


@pytest.mark.parametrize(("f", "plan", "p"), RATES)
async def test_how_keen_the_checks_are_is_the_policys_word(yard: Yard, f: float, plan: str, p: float) -> None:
    """A check that sees no wrong answer starts no retry, so the plan is one attempt; the policy's t and f decide."""
    rates = {name: {"t": 1.0, "f": f} for name in CHECKS}
    proxy = await yard({"cheap": "good", "dear": "good"}, policy={"rates": rates})
    got = await proxy.chat(turnout=CHEAP_THEN_DEAR)
    assert got.headers["x-turnout-plan"] == plan
    assert float(got.headers["x-turnout-p-success"]) == pytest.approx(p, abs=2e-4)


AGAIN = {"verify": "caller", "accuracy": 0.88, "retries": 1}
"""With a caller's verdict in the place of checks: 0.6 + 0.4 x 0.8 = 0.92."""


async def plan_of(proxy: Proxy, **hints: Any) -> dict[str, Any]:
    """The decision on a step, sent nowhere."""
    got = await proxy.fetch("POST", "/v1/route", json.dumps(HELLO | {"turnout": AGAIN | hints}).encode())
    assert got.status == 200
    decision: dict[str, Any] = json.loads(got.body)
    return decision


async def test_a_caller_that_verifies_gets_one_attempt_at_a_time(yard: Yard) -> None:
    """Its verdict comes later, so what follows is its to ask for; asking again by the same name escalates."""
    proxy = await yard({"cheap": "good", "dear": "good"})
    first = await proxy.chat(turnout=AGAIN | {"step_id": "s"})
    assert first.headers["x-turnout-plan"] == "cheap/off > dear/off"
    assert (first.headers["x-turnout-model"], first.headers["x-turnout-attempts"]) == ("cheap/off", "1")
    second = await proxy.chat(turnout=AGAIN | {"step_id": "s"})
    assert (second.headers["x-turnout-model"], second.headers["x-turnout-attempts"]) == ("dear/off", "1")
    outcome = await proxy.settled()
    assert outcome.judged_before == ("cheap/off",) and outcome.again and outcome.retries_used == 1
    other = await proxy.chat(turnout=AGAIN | {"step_id": "t"})
    assert other.headers["x-turnout-model"] == "cheap/off"


async def test_a_failure_lowers_the_odds_of_the_same_model_most(yard: Yard) -> None:
    """With correlated retries P is the posterior's: below that of a fresh step, the same arm's most."""
    classes = [{"name": "chat", "sigma": 1.5, "tau": 1.0}]
    proxy = await yard({"cheap": "good", "middle": "good"}, policy={"classes": classes})
    plan = await plan_of(proxy, step_id="s")
    first, fresh = plan["chosen"]["arms"][0], {arm["arm"]: arm["p_success"] for arm in plan["arms"]}
    other = next(arm for arm in fresh if arm != first)
    await proxy.chat(model=first, turnout=AGAIN | {"step_id": "s"})
    after = {arm["arm"]: arm["p_success"] for arm in (await plan_of(proxy, step_id="s"))["arms"]}
    assert after[first] / fresh[first] < after[other] / fresh[other] < 1
    assumed = {arm["arm"]: arm["p_success"] for arm in (await plan_of(proxy, attempt=2))["arms"]}
    assert assumed == after  # nobody remembers, so the planner's own first choice is taken to have failed


async def test_attempt_two_without_a_name_escalates(yard: Yard) -> None:
    """By what the planner would have tried first."""
    proxy = await yard({"cheap": "good", "dear": "good"})
    got = await proxy.chat(turnout=AGAIN | {"attempt": 2})
    assert got.headers["x-turnout-model"] == "dear/off"
    outcome = await proxy.settled()
    assert outcome.again and outcome.judged_before == ()


async def test_attempt_one_is_a_fresh_start(yard: Yard) -> None:
    """The caller that counts by itself is believed."""
    proxy = await yard({"cheap": "good", "dear": "good"})
    for _ in range(2):
        got = await proxy.chat(turnout=AGAIN | {"step_id": "s", "attempt": 1})
        assert got.headers["x-turnout-model"] == "cheap/off"


async def test_a_client_librarys_own_resend_is_no_verdict(yard: Yard) -> None:
    """`x-stainless-retry-count` says that the answer did not arrive, not that it was wrong."""
    proxy = await yard({"cheap": "good", "dear": "good"})
    for count in ("0", "1", "2"):
        got = await proxy.chat({"x-stainless-retry-count": count}, turnout=AGAIN | {"step_id": "s"})
        assert got.headers["x-turnout-model"] == "cheap/off"
    got = await proxy.chat({"x-stainless-retry-count": "0"}, turnout=AGAIN | {"step_id": "s"})
    assert got.headers["x-turnout-model"] == "dear/off"


@pytest.mark.parametrize(("does", "stream"), [("html-500", False), ("hang", False), ("no-finish", True)])
async def test_what_never_arrived_is_no_verdict(yard: Yard, does: str, stream: bool) -> None:
    """After an error of ours, a deadline, a broken stream: asking again is not a retry of a wrong answer."""
    proxy = await yard({"cheap": does, "dear": does})
    for _ in range(2):
        hints = AGAIN | {"step_id": "s", "deadline": 0.4, "models": "cheap"}
        await proxy.chat(stream=stream, turnout=hints)
        assert (await proxy.settled()).result == "error"
    assert (await plan_of(proxy, step_id="s"))["chosen"]["arms"] == ["cheap/off", "dear/off"]


async def test_an_answer_that_the_caller_did_not_wait_for_is_no_verdict(yard: Yard) -> None:
    """Nobody judged what nobody read."""
    proxy = await yard({"cheap": "silent-mid", "dear": "good-stream"})
    reader, writer = await proxy.connect(stream=True, turnout=AGAIN | {"step_id": "s"})
    await asyncio.wait_for(reader.readuntil(WORDS[0]), 2)
    writer.close()
    assert (await proxy.settled()).result == "disconnected"
    assert (await plan_of(proxy, step_id="s"))["chosen"]["arms"] == ["cheap/off", "dear/off"]


async def test_a_streamed_answer_is_judged_by_asking_again_too(yard: Yard, answer: Callable[..., str]) -> None:
    """As soon as [DONE] has been read, be it that the upstream still holds its body open."""
    open_end = answer(*chunked(ROLE, *WORDS, answers.STOP, answers.DONE, end=False))
    proxy = await yard({"cheap": open_end, "dear": "one-packet"})
    first = await proxy.chat(stream=True, turnout=AGAIN | {"step_id": "s"})
    second = await proxy.chat(stream=True, turnout=AGAIN | {"step_id": "s"})
    assert [got.headers["x-turnout-model"] for got in (first, second)] == ["cheap/off", "dear/off"]


async def test_another_keys_step_is_not_seen(yard: Yard) -> None:
    """Two callers may use the same names and know nothing of each other."""
    proxy = await yard({"cheap": "good", "dear": "good"}, api_keys=("one", "two"))
    models = [
        (await proxy.chat({"authorization": f"Bearer {key}"}, turnout=AGAIN | {"step_id": "s"})).headers[
            "x-turnout-model"
        ]
        for key in ("one", "two", "one", "two")
    ]
    assert models == ["cheap/off", "cheap/off", "dear/off", "dear/off"]


async def test_what_the_checks_rejected_counts_when_the_step_comes_again(yard: Yard) -> None:
    """The caller refuses the whole request's answers, those that never reached it included."""
    proxy = await yard({"cheap": "empty-content", "dear": "good"})
    await proxy.chat(turnout=CHEAP_THEN_DEAR | {"step_id": "s"})
    await proxy.chat(turnout=CHEAP_THEN_DEAR | {"step_id": "s"})
    assert (await proxy.settled()).judged_before == ("cheap/off", "dear/off")
