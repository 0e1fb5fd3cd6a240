"""What an administrator sees of decisions, beliefs, calibration and policies, over real sockets."""

from __future__ import annotations

import json
from typing import Any

from tests.api.test_outcomes import asked, say
from tests.proxy.yard import CHEAP_THEN_DEAR, HELLO, Proxy, Yard

FIRST_WRONG = {"cheap": "schema_broken", "dear": "good"}


async def get(proxy: Proxy, path: str, status: int = 200) -> dict[str, Any]:
    got = await proxy.fetch("GET", f"/admin/{path}")
    assert got.status == status, got.body
    found: dict[str, Any] = json.loads(got.body)
    return found


async def test_the_last_decisions_in_short(yard: Yard) -> None:
    """The latest first, with plan, prediction, price, result and what was said of it since."""
    proxy = await yard({"cheap": "good", "dear": "good"})
    first = await asked(proxy, step="chat", run_id="r1")
    second = await asked(proxy, **CHEAP_THEN_DEAR)
    assert (await say(proxy, decision_id=first, success=True, source="tests")).status == 200
    data = (await get(proxy, "decisions"))["data"]
    assert [d["decision_id"] for d in data] == [second, first]
    assert data[0]["plan"] == ["cheap/off", "dear/off"] and data[1]["plan"] == ["cheap/off"]
    old = data[1]
    assert (old["run_id"], old["step_class"], old["policy"], old["status"]) == ("r1", "chat", "default", 200)
    assert 0 < old["p_success"] < 1 and old["cost_usd"] > 0 and old["answered"] == "cheap/off"
    assert [(v["source"], v["success"]) for v in old["verdicts"]] == [("tests", 1.0)]
    newer = (await get(proxy, f"decisions?after={old['number']}&limit=10"))["data"]
    assert [d["decision_id"] for d in newer] == [second]


async def test_one_decision_opened(yard: Yard) -> None:
    """Hints, facts, gates, plans with why, and every call that was made; no word of the prompt or the answer."""
    proxy = await yard({"cheap": "good", "dear": "good"})
    name = await asked(proxy, **CHEAP_THEN_DEAR)
    found = await get(proxy, f"decisions/{name}")
    assert found["hints"] == CHEAP_THEN_DEAR
    assert found["decision"]["chosen"]["arms"] == found["plan"] == ["cheap/off", "dear/off"]
    assert found["decision"]["plans"][0]["why"] == found["decision"]["reason"]
    assert [(t["arm"], t["fault"]) for t in found["tries"]] == [("cheap/off", None)]
    assert all(c["passed"] for c in found["tries"][0]["checks"])
    assert HELLO["messages"][0]["content"] not in json.dumps(found)


async def test_a_refused_request_is_a_decision_without_a_plan(yard: Yard) -> None:
    """What failed before there was a plan is listed with its error."""
    proxy = await yard()
    got = await proxy.chat(turnout={"accuracy": 7})
    assert got.status == 400
    await proxy.settled()
    step = (await get(proxy, "decisions"))["data"][0]
    assert (step["plan"], step["p_success"], step["status"], step["error"]) == ([], None, 400, "invalid_hint")
    assert (await get(proxy, f"decisions/{step['decision_id']}"))["decision"] is None


async def test_what_is_not_there(yard: Yard) -> None:
    """A decision that is forgotten and a policy that never was are named, with where to look."""
    proxy = await yard()
    error = (await get(proxy, "decisions/dec_none", 404))["error"]
    assert error["code"] == "decision_not_found" and "turnout journal show --decision" in error["message"]
    error = (await get(proxy, "beliefs?policy=none", 404))["error"]
    assert error["code"] == "policy_not_found" and "default" in error["message"]
    assert (await get(proxy, "decisions?limit=0", 400))["error"]["param"] == "limit"


async def test_beliefs_by_class(yard: Yard) -> None:
    """Each arm's P with its interval, worth and length; each deployment's speed."""
    proxy = await yard({"cheap": "good", "dear": "good"})
    found = await get(proxy, "beliefs")
    (chat,) = found["classes"]
    arms = {arm["arm"]: arm for arm in chat["arms"]}
    assert set(arms) == {"cheap/off", "dear/off"}
    for arm, p in (("cheap/off", 0.6), ("dear/off", 0.8)):
        assert abs(arms[arm]["p"] - p) < 1e-3
        assert arms[arm]["low"] < arms[arm]["p"] < arms[arm]["high"]
        assert arms[arm]["output_tokens"]["q50"] < arms[arm]["output_tokens"]["q90"]
    assert {d["deployment"].split(":")[0] for d in found["deployments"]} == {"cheap", "dear"}
    assert found["policy"] == "default" and chat["name"] == "chat"


async def test_calibration_by_what_callers_say(yard: Yard) -> None:
    """Nothing before a verdict; then the tenth in which the answer was predicted."""
    proxy = await yard()
    assert (await get(proxy, "calibration"))["data"] == []
    for success in (True, True, False):
        await say(proxy, decision_id=await asked(proxy), success=success)
    (found,) = (await get(proxy, "calibration"))["data"]
    assert (found["from"], found["count"]) == (0.6, 3) or (found["from"], found["count"]) == (0.5, 3)
    assert found["observed"] == 0.6667 and found["low"] < 0.6667 < found["high"]


async def test_policies_with_their_versions(yard: Yard) -> None:
    """What serves, by the digest that is in every record, and since when."""
    proxy = await yard(policies={"other": {"description": "Another."}})
    found = await get(proxy, "policies")
    assert found["default"] == "default"
    versions = {p["name"]: p["version"] for p in found["data"]}
    assert set(versions) == {"default", "other"} and all(len(v) == 12 for v in versions.values())
    assert found["loads"][0]["versions"] == versions
    assert {p["name"]: p["description"] for p in found["data"]}["other"] == "Another."
