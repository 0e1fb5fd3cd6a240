"""What callers say of a step after its answer went out, and what the proxy notices by itself, over real sockets."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.api.outcomes import RESERVED, Verdict, read
from router.errors import BadRequest
from router.store.decisions import RESEND_S
from router.store.memory import MemoryStore
from tests.proxy.test_escalation import TOOLS, calling, message
from tests.proxy.yard import CHEAP_THEN_DEAR, HELLO, Got, Proxy, Yard

PATH = "/v1/outcomes"
UNCHECKED = {"verify": "none"}


async def say(proxy: Proxy, headers: Mapping[str, str] = {}, **verdict: Any) -> Got:
    return await proxy.fetch("POST", PATH, json.dumps(verdict).encode(), headers)


async def receipt(proxy: Proxy, **verdict: Any) -> dict[str, Any]:
    """What a verdict that is taken returns."""
    got = await say(proxy, **verdict)
    assert got.status == 200, got.body
    found: dict[str, Any] = json.loads(got.body)
    return found


async def asked(proxy: Proxy, **hints: Any) -> str:
    """Sends a step and returns the decision's id, once it is filed."""
    got = await proxy.chat(turnout=hints)
    assert got.status == 200, got.body
    await proxy.settled()
    return got.headers["x-turnout-decision-id"]


async def route(proxy: Proxy, **hints: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((await proxy.fetch("POST", "/v1/route", json.dumps(HELLO).encode())).body)
    return found


async def version(proxy: Proxy) -> int:
    """Counts what the beliefs have taken in."""
    return int((await route(proxy))["beliefs_version"])


async def chances(proxy: Proxy) -> dict[str, float]:
    return {arm["arm"]: arm["p_success"] for arm in (await route(proxy))["arms"]}


async def counted(proxy: Proxy, metric: str = "turnout_outcomes_total", **labels: str) -> float:
    """Sum over the series of a metric that have these labels."""
    lines = (await proxy.fetch("GET", "/metrics")).body.decode().splitlines()
    wanted = [f'{name}="{value}"' for name, value in labels.items()]
    found = [line for line in lines if line.startswith(metric + "{") and all(w in line for w in wanted)]
    return sum(float(re.sub(r".*} ([0-9.]+).*", r"\1", line)) for line in found)


async def test_a_verdict_on_a_decision_is_taken_once(yard: Yard) -> None:
    """Told again it returns the same and moves nothing; the contrary of the same source is refused."""
    proxy = await yard(learn="on")
    decision = await asked(proxy)
    before = (await chances(proxy))["cheap/off"]
    first = await receipt(proxy, decision_id=decision, success=True)
    assert first == {"id": first["id"], "object": "turnout.outcome", "decisions": 1, "applied": True}
    assert re.fullmatch(r"out_[0-9a-f]{24}", first["id"])
    assert (await chances(proxy))["cheap/off"] > before
    learned = await version(proxy)  # what the step said of itself is in it too
    assert await receipt(proxy, decision_id=decision, score=1.0) == first
    assert await version(proxy) == learned
    got = await say(proxy, decision_id=decision, success=False)
    assert (got.status, got.error["code"], got.error["param"]) == (409, "verdict_conflict", "decision_id")
    other = await receipt(proxy, decision_id=decision, success=False, source="tests")
    assert other["id"] != first["id"]
    assert await counted(proxy, outcome="success", source="caller") == 1
    assert await counted(proxy, outcome="failure", source="caller") == 1


async def test_verdicts_move_the_model_that_answered(yard: Yard) -> None:
    """Failures make it look worse, successes better, and others of another family hardly move."""
    proxy = await yard({"cheap": "good", "dear": "good"}, learn="on")
    at_first = await chances(proxy)
    for _ in range(10):
        decision = await asked(proxy, models="cheap")
        await receipt(proxy, decision_id=decision, success=False)
    worse = await chances(proxy)
    assert worse["cheap/off"] < at_first["cheap/off"] - 0.1
    assert abs(worse["dear/off"] - at_first["dear/off"]) < (at_first["cheap/off"] - worse["cheap/off"]) / 2
    for _ in range(20):
        decision = await asked(proxy, models="cheap")
        await receipt(proxy, decision_id=decision, score=1)
    assert (await chances(proxy))["cheap/off"] > worse["cheap/off"] + 0.05


async def test_an_idempotency_key_tells_repetition_from_news(yard: Yard) -> None:
    """One key, one verdict: its repetition is the same even after a newer answer, any other use is refused."""
    proxy = await yard()
    await asked(proxy, step_id="s")
    first = await receipt(proxy, step_id="s", success=False, idempotency_key="k1")
    await asked(proxy, step_id="s")
    assert await receipt(proxy, step_id="s", success=False, idempotency_key="k1") == first
    second = await receipt(proxy, step_id="s", success=False, idempotency_key="k2")
    assert second["id"] != first["id"]
    got = await say(proxy, step_id="s", success=True, idempotency_key="k1")
    assert (got.status, got.error["code"], got.error["param"]) == (409, "idempotency_key_reused", "idempotency_key")


async def test_a_verdict_on_a_step_is_on_its_last_answer(yard: Yard) -> None:
    """It is the same verdict as one on that decision; with no answer at all there is nothing to apply it to."""
    proxy = await yard({"cheap": "good"})
    await asked(proxy, step_id="s")
    decision = await asked(proxy, step_id="s")
    whole = await receipt(proxy, step_id="s", success=True)
    assert await receipt(proxy, decision_id=decision, success=True) == whole
    failing = await yard({"cheap": "html-500"})
    assert (await failing.chat(turnout={"step_id": "s"})).status == 502
    assert await receipt(failing, step_id="s", success=False) | {"id": ""} == {
        "id": "",
        "object": "turnout.outcome",
        "decisions": 0,
        "applied": False,
    }


async def test_a_verdict_on_a_run_reaches_its_steps(yard: Yard) -> None:
    """Those that the caller has not judged by itself; told again it reaches nobody twice."""
    proxy = await yard()
    ids = [await asked(proxy, run_id="r", step_id=f"s{i}") for i in range(4)]
    await receipt(proxy, decision_id=ids[1], success=True)
    first = await receipt(proxy, run_id="r", success=True)
    assert (first["decisions"], first["applied"]) == (3, True)
    before = await version(proxy)
    assert await receipt(proxy, run_id="r", success=True) == first
    assert await version(proxy) == before
    assert (await say(proxy, run_id="r", success=False)).error["code"] == "verdict_conflict"
    assert await counted(proxy, source="run", outcome="success") == 3


async def test_only_ones_own_decisions_can_be_judged(yard: Yard) -> None:
    """Another's id, a made-up one and an old one are told apart by nothing; without a key nothing is read at all."""
    now = 0.0
    proxy = await yard(api_keys=("alice", "mallory"), store=MemoryStore(clock=lambda: now, ttl=100.0))
    alice, mallory = {"authorization": "Bearer alice"}, {"authorization": "Bearer mallory"}
    got = await proxy.chat(alice, turnout={"run_id": "r", "step_id": "s"})
    await proxy.settled()
    decision = got.headers["x-turnout-decision-id"]
    for name, value in (("decision_id", decision), ("step_id", "s"), ("run_id", "r")):
        unknown = await say(proxy, alice, **{name: "dec_made_up", "success": False})
        others = await say(proxy, mallory, **{name: value, "success": False})
        assert unknown.status == others.status == 404 and unknown.error == others.error
        assert (others.error["code"], others.error["param"]) == ("outcome_not_found", name)
        assert (await say(proxy, alice, **{name: value, "success": True})).status == 200
    assert (await say(proxy, decision_id=decision, success=True)).status == 401
    now = 101.0
    for name, value in (("decision_id", decision), ("step_id", "s"), ("run_id", "r")):
        assert (await say(proxy, alice, **{name: value, "success": True})).status == 404


async def test_a_verdict_may_come_late(yard: Yard) -> None:
    """As long as the step is remembered."""
    now = 0.0
    proxy = await yard(store=MemoryStore(clock=lambda: now))
    decision = await asked(proxy)
    now = 86_399.0
    assert (await receipt(proxy, decision_id=decision, success=False))["applied"]


async def test_verdicts_are_bounded(yard: Yard) -> None:
    """A key has a quota for each minute, a decision a number of sources."""
    proxy = await yard(outcomes_per_minute=9)
    decision = await asked(proxy)
    for i in range(8):
        await receipt(proxy, decision_id=decision, success=True, source=f"tests-{i}")
    got = await say(proxy, decision_id=decision, success=True)
    assert (got.status, got.error["code"]) == (409, "too_many_verdicts")
    got = await say(proxy, decision_id=decision, success=True)
    assert (got.status, got.error["code"], got.error["type"]) == (429, "rate_limit_exceeded", "rate_limit_error")
    assert 1 <= int(got.headers["retry-after"]) <= 60


BAD: list[tuple[bytes, str | None, str]] = [
    (b"", None, "invalid_json"),
    (b"{", None, "invalid_json"),
    (b"[" * 5000, None, "invalid_json"),
    (b'{"decision_id": "d", "success": NaN}', "success", "invalid_request"),
    (b'{"decision_id": "d", "score": NaN}', "score", "invalid_request"),
    (b'{"decision_id": "d", "score": Infinity}', "score", "invalid_request"),
    (b'{"decision_id": "d", "score": 1e999}', "score", "invalid_request"),
    (b'{"decision_id": "d\xff", "success": true}', None, "invalid_json"),
    (b'{"decision_id": "\\ud800", "success": true}', None, "invalid_json"),
    (b"[]", None, "invalid_request"),
    (b"null", None, "invalid_request"),
    (b'"x"', None, "invalid_request"),
    (b"{}", "decision_id", "invalid_request"),
    (b'{"decision_id": null, "success": true}', "decision_id", "invalid_request"),
    (b'{"success": true}', "decision_id", "invalid_request"),
    (b'{"decision_id": "d"}', "success", "invalid_request"),
    (b'{"decision_id": "d", "step_id": "s", "success": true}', "step_id", "invalid_request"),
    (b'{"decision_id": "d", "success": true, "score": 1}', "score", "invalid_request"),
    (b'{"decision_id": "d", "success": 1}', "success", "invalid_request"),
    (b'{"decision_id": "d", "success": "true"}', "success", "invalid_request"),
    (b'{"decision_id": "d", "score": "1"}', "score", "invalid_request"),
    (b'{"decision_id": "d", "score": true}', "score", "invalid_request"),
    (b'{"decision_id": "d", "score": -0.01}', "score", "invalid_request"),
    (b'{"decision_id": "d", "score": 1.01}', "score", "invalid_request"),
    (b'{"decision_id": "", "success": true}', "decision_id", "invalid_request"),
    (b'{"decision_id": 7, "success": true}', "decision_id", "invalid_request"),
    (b'{"decision_id": ["d"], "success": true}', "decision_id", "invalid_request"),
    (b'{"step_id": "a b", "success": true}', "step_id", "invalid_request"),
    (b'{"step_id": "a\\r\\nx: y", "success": true}', "step_id", "invalid_request"),
    (b'{"step_id": "a\\n", "success": true}', "step_id", "invalid_request"),
    (b'{"run_id": "' + b"r" * 129 + b'", "success": true}', "run_id", "invalid_request"),
    (b'{"decision_id": "d", "success": true, "source": "resend"}', "source", "invalid_request"),
    (b'{"decision_id": "d", "success": true, "source": "judge:x"}', "source", "invalid_request"),
    (b'{"decision_id": "d", "success": true, "source": ""}', "source", "invalid_request"),
    (b'{"decision_id": "d", "success": true, "source": null}', "source", "invalid_request"),
    (b'{"decision_id": "d", "success": true, "reason": "' + b"x" * 501 + b'"}', "reason", "invalid_request"),
    (b'{"decision_id": "d", "success": true, "idempotency_key": "a b"}', "idempotency_key", "invalid_request"),
    (b'{"decision_id": "d", "success": true, "success": false}', "success", "invalid_request"),
    (b'{"decision_id": "d", "success": true, "sucess": true}', "sucess", "invalid_request"),
    (b'{"decision_id": "d", "success": true, "' + b"k" * 300 + b'": 1}', "k" * 64, "invalid_request"),
]


async def test_a_body_that_is_no_verdict_is_refused_by_its_field(yard: Yard) -> None:
    """A 400 in OpenAI's shape whose `param` is the field at fault."""
    proxy = await yard()
    for body, param, code in BAD:
        got = await proxy.fetch("POST", PATH, body)
        assert (got.status, got.error["param"], got.error["code"]) == (400, param, code), (body[:80], got.body)
        assert len(got.error["message"]) < 300


async def test_a_body_over_the_limit_is_not_read(yard: Yard) -> None:
    """The limit of every other body holds here too."""
    proxy = await yard(max_body_bytes=1000)
    got = await proxy.fetch("POST", PATH, b" " * 1001)
    assert (got.status, got.error["code"]) == (413, "body_too_large")


async def test_the_api_description_is_true(yard: Yard) -> None:
    """It names the fields of a verdict and of what comes back."""
    proxy = await yard()
    whole = json.loads((await proxy.fetch("GET", "/openapi.json")).body)
    described = whole["paths"][PATH]["post"]
    schema = described["requestBody"]["content"]["application/json"]["schema"]
    assert schema["properties"].keys() == Verdict.model_fields.keys() and schema["additionalProperties"] is False
    returned = described["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    assert whole["components"]["schemas"][returned]["properties"].keys() == {"id", "object", "decisions", "applied"}
    assert {"400", "404", "409", "429"} <= described["responses"].keys()
    got = await proxy.fetch("GET", PATH)
    assert (got.status, got.headers["allow"]) == (405, "POST")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from([*Verdict.model_fields, "x"])


@given(st.binary(max_size=60) | st.dictionaries(NAMES, JSON, max_size=5).map(lambda d: json.dumps(d).encode()))
def test_whatever_comes_is_a_verdict_or_a_bad_request(body: bytes) -> None:
    """Nothing else can happen, and what is taken keeps every bound."""
    try:
        verdict = read(body)
    except BadRequest as error:
        assert error.status == 400 and error.message
        return
    said = verdict.said(1.0)
    assert said.kind in ("decision", "step", "run") and 1 <= len(said.name) <= 128
    assert 0.0 <= said.success <= 1.0 and said.source not in RESERVED


async def test_asking_again_doubts_the_answer_before(yard: Yard) -> None:
    """Once for each answer, however often the step is asked for after it."""
    proxy = await yard(policy=UNCHECKED)
    for expected in (0, 1, 2):
        await asked(proxy, step_id="s")
        assert await counted(proxy, source="resend", outcome="doubted") == expected


@pytest.mark.parametrize("lost", ["html-500", "truncated"])
async def test_a_resend_of_what_did_not_arrive_is_no_verdict(yard: Yard, lost: str) -> None:
    """After our own error, or a broken answer, or by the client library's own retry."""
    proxy = await yard({"cheap": lost}, policy=UNCHECKED)
    for _ in range(2):
        assert (await proxy.chat(turnout={"step_id": "s"})).status == 502
    well = await yard(policy=UNCHECKED)
    for count in ("0", "1"):
        await well.chat({"x-stainless-retry-count": count}, turnout={"step_id": "s"})
    for each in (proxy, well):
        await each.all_settled()
        assert await counted(each, source="resend") == 0


async def test_parallel_samples_do_not_doubt_each_other(yard: Yard, answer: Callable[..., str]) -> None:
    """Each was asked for before the other was answered."""
    whole = message(content="yes")
    slow = answer(*(whole[i : i + 12] for i in range(0, len(whole), 12)))  # a quarter of a second
    proxy = await yard({"cheap": slow}, policy=UNCHECKED)
    await asyncio.gather(*(proxy.chat(turnout={"step_id": "s"}) for _ in range(3)))
    await proxy.all_settled()
    assert await counted(proxy, source="resend") == 0
    await asked(proxy, step_id="s")
    assert await counted(proxy, source="resend", outcome="doubted") == 3


async def test_a_run_that_goes_on_took_the_answer(yard: Yard) -> None:
    """Its next step closes the one before; a step that nobody names says nothing by silence."""
    proxy = await yard(policy=UNCHECKED)
    await asked(proxy, run_id="r", step_id="a")
    assert await counted(proxy, source="resend") == 0
    await asked(proxy, run_id="r", step_id="b")
    assert await counted(proxy, source="resend", outcome="unopposed") == 1
    for _ in range(3):
        await asked(proxy, run_id="nameless")
    assert await counted(proxy, source="resend") == 1
    await asked(proxy, run_id="r", step_id="a")  # after all
    assert await counted(proxy, source="resend", outcome="doubted") == 1


async def test_a_window_closes_by_time(yard: Yard) -> None:
    """Seen by the next step, whosever it is; a judged one needs no such hint."""
    now = 0.0
    proxy = await yard(policy=UNCHECKED, store=MemoryStore(clock=lambda: now))
    await asked(proxy, step_id="a")
    await receipt(proxy, decision_id=await asked(proxy, step_id="b"), success=True)
    now = RESEND_S - 1.0
    await asked(proxy)
    assert await counted(proxy, source="resend") == 0
    now = RESEND_S + 1.0
    await asked(proxy)
    assert await counted(proxy, source="resend", outcome="unopposed") == 1


@pytest.mark.parametrize(("limit", "times"), [({}, 1), ({"max_tokens": 5}, 0)])
async def test_a_truncation_that_nobody_asked_for_is_a_sign(
    yard: Yard, answer: Callable[..., str], limit: dict[str, int], times: int
) -> None:
    """An answer that ends at the caller's own limit did what it was told."""
    proxy = await yard({"cheap": answer(message("length", content="once upon"))}, policy=UNCHECKED)
    before = await version(proxy)
    await proxy.chat(**limit)
    await proxy.settled()
    assert await counted(proxy, source="truncation", outcome="doubted") == times
    assert (await version(proxy) > before) or not times


@pytest.mark.parametrize(("arguments", "times"), [('{"n": 1', 1), ('{"n": "x"}', 0)])
async def test_a_tool_call_that_is_no_json_is_a_sign(
    yard: Yard, answer: Callable[..., str], arguments: str, times: int
) -> None:
    """Where no check judges the calls; that they break a schema is for the check to say."""
    proxy = await yard({"cheap": answer(calling("look", arguments))}, policy=UNCHECKED)
    await proxy.chat(**TOOLS)
    await proxy.settled()
    assert await counted(proxy, source="tool_parse", outcome="doubted") == times


async def test_an_upstreams_error_says_nothing_of_quality(yard: Yard) -> None:
    """It counts against the deployment's health alone."""
    proxy = await yard({"cheap": "html-500"})
    before = await version(proxy)
    await proxy.chat()
    await proxy.settled()
    assert await version(proxy) == before


async def test_calibration_counts_first_attempts(yard: Yard) -> None:
    """By what was predicted of them: one that a check rejected failed, whatever the caller says of the next."""
    proxy = await yard({"cheap": "empty-content", "dear": "good"})
    one = await asked(proxy, models="dear")
    two = await asked(proxy, **CHEAP_THEN_DEAR)
    for decision in (one, two):
        await receipt(proxy, decision_id=decision, success=True)
        await receipt(proxy, decision_id=decision, success=True, source="again")
    name = "turnout_calibration_outcomes_total"
    assert await counted(proxy, name, model="dear", outcome="success") == 1
    assert await counted(proxy, name, model="cheap", outcome="failure") == 1
    assert await counted(proxy, name) == 2
