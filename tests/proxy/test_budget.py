"""One deadline and one budget over all attempts of a step, and budgets that the steps of a run share."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests import answers
from tests.proxy.yard import CHEAP_THEN_DEAR, Yard, good

ROOM_S = 1.0
"""What a slow machine may add to a deadline."""


@pytest.mark.parametrize("stream", [False, True])
async def test_a_hanging_upstream_leaves_time_for_another(yard: Yard, stream: bool) -> None:
    """Half of the time that is left goes to an alternative, so the step is answered within its deadline."""
    proxy = await yard({"cheap": "hang", "dear": good(stream=stream)})
    began = time.monotonic()
    got = await proxy.chat(stream=stream, turnout={"deadline": 1.2})
    assert (got.status, got.headers["x-turnout-model"]) == (200, "dear/off")
    assert time.monotonic() - began < 1.2 + ROOM_S
    first, second = (await proxy.settled()).attempts
    assert first.fault == "timeout" and first.seconds < 1.1 and second.fault is None


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("hold", [False, True])
async def test_when_all_hang_the_deadline_ends_it(yard: Yard, stream: bool, hold: bool) -> None:
    """A 504 in time, after every alternative had its share."""
    proxy = await yard({"cheap": "hang", "middle": "hang", "dear": "hang"})
    began = time.monotonic()
    got = await proxy.chat(stream=stream, turnout={"deadline": 1.0, "hold": hold})
    took = time.monotonic() - began
    assert (got.status, got.error["code"], got.error["param"]) == (504, "deadline_exceeded", "deadline")
    assert 0.9 < took < 1.0 + ROOM_S
    assert [a.fault for a in (await proxy.settled()).attempts] == ["timeout"] * 3


async def test_the_only_deployment_gets_all_the_time(yard: Yard) -> None:
    """Nothing is kept back where there is no alternative."""
    proxy = await yard({"cheap": "hang"})
    assert (await proxy.chat(turnout={"deadline": 0.5})).status == 504
    assert (await proxy.settled()).attempts[0].seconds > 0.4


async def test_a_deadline_that_no_model_can_keep_is_said(yard: Yard) -> None:
    """The gate closes before anything is sent."""
    proxy = await yard({"cheap": "good"}, facts={"cheap": {"speed": {"tokens_per_s": 1, "first_token_s": 5}}})
    got = await proxy.chat(turnout={"deadline": 0.5})
    assert (got.status, got.error["code"]) == (400, "no_feasible_model") and "deadline" in got.error["message"]
    assert proxy.upstream.requests == 0 and (await proxy.settled()).attempts == ()


async def test_money_stops_the_next_attempt(yard: Yard) -> None:
    """What is spent counts: the plan fits the cap by expectation, the first answer cost more than expected."""
    proxy = await yard({"cheap": "dear-empty", "dear": "good"})
    proxy_cost = 0.02
    got = await proxy.chat(turnout=CHEAP_THEN_DEAR | {"max_cost": proxy_cost, "output_tokens": 100})
    assert got.headers["x-turnout-plan"] == "cheap/off > dear/off"
    assert (got.headers["x-turnout-attempts"], got.headers["x-turnout-rejected"]) == ("1", "true")


@pytest.fixture(autouse=True)
def dear_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """`dear-empty`: an empty answer for which the upstream counts many tokens."""
    usage = {"prompt_tokens": 9, "completion_tokens": 4_000, "total_tokens": 4_009}
    monkeypatch.setitem(answers.ANSWERS, "dear-empty", [answers.http(answers.completion("", usage=usage))])


async def test_money_stops_a_stand_in(yard: Yard) -> None:
    """A fault's substitute must fit the cap as well."""
    proxy = await yard({"cheap": "reset", "dear": "good"})
    hints = {"max_cost": 0.005, "output_tokens": 100}
    assert (await proxy.chat(turnout=hints)).status == 502
    assert proxy.asked == ["reset"]
    assert (await proxy.chat(turnout=hints | {"max_cost": 0.5})).status == 200


async def test_a_cap_below_every_price_is_said(yard: Yard) -> None:
    """A 400 with the prices, and nothing sent."""
    proxy = await yard({"cheap": "good"})
    got = await proxy.chat(turnout={"max_cost": 0.0000001})
    assert (got.status, got.error["code"]) == (400, "no_feasible_model") and "cap" in got.error["message"]
    assert proxy.upstream.requests == 0


async def test_a_run_shares_its_money(yard: Yard) -> None:
    """Steps are taken while there is some, and refused with a code of its own after that; other runs go on."""
    proxy = await yard({"cheap": "dear-empty"})
    hints: dict[str, Any] = {"run_id": "r", "run_max_cost": 0.03, "output_tokens": 10}
    statuses = [(await proxy.chat(turnout=hints)).status for _ in range(4)]
    assert statuses == [200, 200, 429, 429]
    got = await proxy.chat(turnout=hints)
    assert (got.error["code"], got.error["param"]) == ("run_budget_exhausted", "run_max_cost")
    assert got.error["type"] == "insufficient_quota" and "x-turnout-model" not in got.headers
    assert (await proxy.chat(turnout=hints | {"run_id": "other"})).status == 200


async def test_a_session_of_a_coding_agent_is_a_run(yard: Yard) -> None:
    """The budget holds over its own session header too."""
    proxy = await yard({"cheap": "dear-empty"})
    hints = {"run_max_cost": 0.01, "output_tokens": 10}
    assert [(await proxy.chat({"x-session-id": "s"}, turnout=hints)).status for _ in range(2)] == [200, 429]


async def test_a_run_shares_its_retries(yard: Yard) -> None:
    """Once they are used, a step gets a single attempt, and asking again for one is refused."""
    proxy = await yard({"cheap": "empty-content", "dear": "good"})
    hints = CHEAP_THEN_DEAR | {"run_id": "r", "run_retries": 1}
    first = await proxy.chat(turnout=hints | {"step_id": "a"})
    assert first.headers["x-turnout-attempts"] == "2"
    second = await proxy.chat(turnout=hints | {"step_id": "b"})
    assert " > " not in second.headers["x-turnout-plan"]
    again = await proxy.chat(turnout=hints | {"step_id": "a"})
    assert (again.status, again.error["code"], again.error["param"]) == (429, "run_budget_exhausted", "run_retries")
