"""A model that gets worse while the proxy serves: noticed, counted, told in the log, and believed less."""

from __future__ import annotations

import json
import logging

import pytest

from router.beliefs.drift import WARM
from tests.proxy.yard import HELLO, Proxy, Yard


async def judged(proxy: Proxy, success: bool) -> None:
    got = await proxy.chat()
    verdict = {"decision_id": got.headers["x-turnout-decision-id"], "success": success, "source": "test"}
    await proxy.settled()
    told = await proxy.fetch("POST", "/v1/outcomes", json.dumps(verdict).encode())
    assert told.status == 200


async def believed(proxy: Proxy) -> float:
    got = await proxy.fetch("POST", "/v1/route", json.dumps(HELLO).encode())
    return float(json.loads(got.body)["chosen"]["p_success"])


async def alarms(proxy: Proxy) -> list[str]:
    text = (await proxy.fetch("GET", "/metrics")).body.decode()
    return [line for line in text.splitlines() if line.startswith("turnout_drift_alarms_total{")]


async def test_a_model_that_gets_worse(yard: Yard, caplog: pytest.LogCaptureFixture) -> None:
    """After a hundred good answers a dozen or two of bad ones raise one alarm, and soon the model is believed less."""
    proxy = await yard({"cheap": "good"}, policy={"verify": "none"}, learn="on")
    for _ in range(round(WARM) + 5):
        await judged(proxy, True)
    assert await alarms(proxy) == []
    before, bad = await believed(proxy), 0
    with caplog.at_level(logging.WARNING, "turnout"):
        while not await alarms(proxy):
            await judged(proxy, False)
            bad += 1
    assert bad <= 30
    assert await alarms(proxy) == [
        'turnout_drift_alarms_total{direction="down",kind="success",model="cheap",step_class="chat"} 1.0'
    ]
    said = [record.message for record in caplog.records if record.message.startswith("drift: ")]
    assert said == [
        "drift: cheap succeeds less than it was believed to at chat; what was learned of that counts little from now on"
    ]
    for _ in range(5):
        await judged(proxy, False)
    assert await believed(proxy) < before - 0.25
