"""Hints in all four ways: which wins, what only narrows, and what is refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from multidict import CIMultiDict

from router.outcome import Outcome
from tests.proxy.yard import CHAT, HELLO, Yard

OPEN = {"name": "Open", "spdx": "Apache-2.0", "permits": ["use", "redistribute", "derive", "no-attribution"]}
OWN = {"name": "Own", "permits": ["use"]}


def said(outcome: Outcome) -> tuple[float | None, int]:
    terms = outcome.decision.terms
    return terms.accuracy, terms.max_attempts


WAYS: list[tuple[str, dict[str, Any], dict[str, str]]] = [
    ("model", {"model": "auto?accuracy=0.7&retries=1"}, {}),
    ("metadata", {"metadata": {"turnout.accuracy": "0.7", "turnout.retries": "1"}}, {}),
    ("headers", {}, {"X-Turnout-Accuracy": "0.7", "x-turnout-retries": "1"}),
    ("body", {"turnout": {"accuracy": 0.7, "retries": 1}}, {}),
]


@pytest.mark.parametrize(("fields", "headers"), [way[1:] for way in WAYS], ids=[way[0] for way in WAYS])
async def test_a_hint_is_heard_in_any_of_four_ways(yard: Yard, fields: dict[str, Any], headers: dict[str, str]) -> None:
    """All mean the same, and none reaches the upstream."""
    proxy = await yard({"cheap": "good", "dear": "good"})
    assert (await proxy.chat(headers, **fields)).status == 200
    assert said(await proxy.settled()) == (0.7, 2)
    assert proxy.sent() == HELLO | {"model": "good"}


PRECEDENCE = [
    ({"model": "auto?accuracy=0.61"}, {}, 0.61),
    ({"model": "auto?accuracy=0.61", "metadata": {"turnout.accuracy": "0.62"}}, {}, 0.62),
    ({"model": "auto?accuracy=0.61", "metadata": {"turnout.accuracy": "0.62"}}, {"x-turnout-accuracy": "0.63"}, 0.63),
    ({"turnout": {"accuracy": 0.64}, "metadata": {"turnout.accuracy": "0.62"}}, {"x-turnout-accuracy": "0.63"}, 0.64),
]


@pytest.mark.parametrize(("fields", "headers", "accuracy"), PRECEDENCE)
async def test_of_preferences_the_later_way_wins(
    yard: Yard, fields: dict[str, Any], headers: dict[str, str], accuracy: float
) -> None:
    """Model string, metadata, headers, body."""
    proxy = await yard({"cheap": "good"})
    await proxy.chat(headers, **fields)
    assert said(await proxy.settled())[0] == accuracy


# hints of a caller → the models it can reach, of cheap (own licence), middle and dear (Apache-2.0)
NARROWED: list[tuple[dict[str, Any], dict[str, str], set[str]]] = [
    ({"model": "auto:apache-only"}, {}, {"middle", "dear"}),
    ({"model": "auto:apache-only", "turnout": {"license": "use"}}, {}, {"middle", "dear"}),
    ({"model": "auto:apache-only", "turnout": {"license": ["MIT", "Apache-2.0"]}}, {}, {"middle", "dear"}),
    ({"model": "auto:apache-only?models=cheap,dear"}, {}, {"dear"}),
    ({"model": "auto:apache-only", "turnout": {"models": ["cheap"]}}, {}, set()),
    ({"model": "auto?models=cheap,dear"}, {"x-turnout-models": "dear, middle"}, {"dear"}),
    ({"model": "auto?license=Apache-2.0", "turnout": {"license": "use"}}, {}, {"middle", "dear"}),
    ({"model": "cheap", "turnout": {"models": "dear"}}, {}, set()),
    ({"model": "auto", "turnout": {"runtime": "nim"}}, {}, set()),
    ({"model": "auto?license=no-attribution"}, {}, {"middle", "dear"}),
]


@pytest.mark.parametrize(("fields", "headers", "reached"), NARROWED)
async def test_constraints_only_narrow(
    yard: Yard, fields: dict[str, Any], headers: dict[str, str], reached: set[str]
) -> None:
    """A caller on `apache-only` cannot hint its way out; where nothing is left, the reasons are told."""
    proxy = await yard(
        {"cheap": "good", "middle": "good", "dear": "good"},
        policies={"apache-only": {"constraints": {"license": ["Apache-2.0"]}}},
        facts={"cheap": {"license": OWN}, "middle": {"license": OPEN}, "dear": {"license": OPEN}},
    )
    got = await proxy.chat(headers, **fields)
    if reached:
        assert got.status == 200
        assert {arm.split("/")[0] for arm in (await proxy.settled()).decision.options} == reached
    else:
        assert (got.status, got.error["code"]) == (400, "no_feasible_model")
        assert (
            "license" in got.error["message"] or "allowed" in got.error["message"] or "runtime" in got.error["message"]
        )
        assert proxy.upstream.requests == 0


@pytest.mark.parametrize("name", ["deadline", "max_cost"])
async def test_the_smaller_limit_holds(yard: Yard, name: str) -> None:
    """Of all ways and the policy's own, whichever comes last."""
    proxy = await yard({"cheap": "good"}, policy={"constraints": {name: 5}})
    for fields, headers, limit in (
        ({"model": f"auto?{name}=50"}, {}, 5),
        ({"model": f"auto?{name}=4", "turnout": {name: 50}}, {}, 4),
        ({"turnout": {name: 4}}, {f"x-turnout-{name.replace('_', '-')}": "3"}, 3),
    ):
        assert (await proxy.chat(headers, **fields)).status == 200
        assert getattr((await proxy.settled()).decision.terms, name) == limit


# fields, headers → status, param, code
REFUSED: list[tuple[dict[str, Any], dict[str, str], int, str, str]] = [
    ({"turnout": {"acuracy": 0.9}}, {}, 400, "turnout.acuracy", "unknown_hint"),
    ({"metadata": {"turnout.nope": "1"}}, {}, 400, "metadata.turnout.nope", "unknown_hint"),
    ({"model": "auto?nope=1"}, {}, 400, "model?nope", "unknown_hint"),
    ({}, {"x-turnout-nope": "1"}, 400, "x-turnout-nope", "unknown_hint"),
    ({"turnout": {"accuracy": 1}}, {}, 400, "turnout.accuracy", "invalid_hint"),
    ({"turnout": {"accuracy": -0.1}}, {}, 400, "turnout.accuracy", "invalid_hint"),
    ({"turnout": {"retries": 4}}, {}, 400, "turnout.retries", "invalid_hint"),
    ({"turnout": {"retries": -1}}, {}, 400, "turnout.retries", "invalid_hint"),
    ({"turnout": {"retries": True}}, {}, 400, "turnout.retries", "invalid_hint"),
    ({"turnout": {"deadline": 1e300}}, {}, 400, "turnout.deadline", "invalid_hint"),
    ({"turnout": {"max_cost": 0}}, {}, 400, "turnout.max_cost", "invalid_hint"),
    ({"turnout": {"failure_cost": "nan"}}, {}, 400, "turnout.failure_cost", "invalid_hint"),
    ({"turnout": {"verify": ["schema", "vibes"]}}, {}, 400, "turnout.verify", "invalid_hint"),
    ({"turnout": {"step_id": "a b"}}, {}, 400, "turnout.step_id", "invalid_hint"),
    ({"turnout": {"models": []}}, {}, 400, "turnout.models", "invalid_hint"),
    ({"turnout": {"hold": 2}}, {}, 400, "turnout.hold", "invalid_hint"),
    ({"turnout": [1]}, {}, 400, "turnout", "invalid_request"),
    ({"turnout": "accuracy=1"}, {}, 400, "turnout", "invalid_request"),
    ({"model": "auto?accuracy=high"}, {}, 400, "model?accuracy", "invalid_hint"),
    ({"model": "auto?accuracy"}, {}, 400, "model?accuracy", "invalid_hint"),
    ({"model": "auto?retries=1&retries=2"}, {}, 400, "model", "invalid_hint"),
    ({"metadata": {"turnout.step_id": "a\r\nset-cookie: b=c"}}, {}, 400, "metadata.turnout.step_id", "invalid_hint"),
    ({"metadata": {"turnout.step_id": "a\n"}}, {}, 400, "metadata.turnout.step_id", "invalid_hint"),
    ({"metadata": {"turnout.models": "a,b\r\nc"}}, {}, 400, "metadata.turnout.models", "invalid_hint"),
    ({"metadata": {"turnout.step": "chat\r\n\r\nHTTP/1.1 200"}}, {}, 400, "metadata.turnout.step", "invalid_hint"),
    ({"metadata": {"turnout.a\r\nb": "1"}}, {}, 400, "metadata.turnout.a\r\nb", "unknown_hint"),
    ({"metadata": ["turnout.step"]}, {}, 400, "metadata", "invalid_request"),
    ({"model": "auto?step_id=a%0d%0ab"}, {}, 400, "model?step_id", "invalid_hint"),
    ({"model": "auto:nope"}, {}, 404, "model", "policy_not_found"),
    ({"model": "auto:"}, {}, 404, "model", "policy_not_found"),
    ({"model": "auto:../default"}, {}, 404, "model", "policy_not_found"),
    ({"model": "auto:/etc/passwd"}, {}, 404, "model", "policy_not_found"),
    ({"model": "auto:default.yaml"}, {}, 404, "model", "policy_not_found"),
    ({"model": "auto:default\r\nx: y"}, {}, 404, "model", "policy_not_found"),
    ({"model": "nope"}, {}, 404, "model", "model_not_found"),
    ({"model": "cheap/on"}, {}, 404, "model", "model_not_found"),
    ({"model": "cheap\x00"}, {}, 404, "model", "model_not_found"),
    ({"model": " auto"}, {}, 404, "model", "model_not_found"),
]


@pytest.mark.parametrize(("fields", "headers", "status", "param", "code"), REFUSED)
async def test_a_hint_that_cannot_be_meant_is_named(
    yard: Yard, fields: dict[str, Any], headers: dict[str, str], status: int, param: str, code: str
) -> None:
    """With the way it came in; nothing is sent, and the refusal is recorded without a policy."""
    proxy = await yard({"cheap": "good"})
    got = await proxy.chat(headers, **fields)
    assert (got.status, got.error["param"], got.error["code"]) == (status, param, code)
    assert got.error["type"] == "invalid_request_error"
    outcome = await proxy.settled()
    assert (outcome.status, outcome.result, outcome.policy, outcome.error) == (status, "error", "", code)
    assert proxy.upstream.requests == 0


@pytest.mark.parametrize("path", [CHAT, "/v1/route"])
@pytest.mark.parametrize("values", [("Apache-2.0", "use"), ("use", "Apache-2.0"), ("use", "use")])
async def test_a_header_sent_twice_is_refused(yard: Yard, path: str, values: tuple[str, str]) -> None:
    """A gateway's constraint is not lost behind a caller's own header of that name, wherever it stands."""
    proxy = await yard({"cheap": "good"})
    twice = CIMultiDict([("x-turnout-license", value) for value in values])
    got = await proxy.fetch("POST", path, json.dumps(HELLO).encode(), twice)
    proxy.admitted += path == CHAT
    assert (got.status, got.error["param"], got.error["code"]) == (400, "x-turnout-license", "invalid_hint")
    assert "twice" in got.error["message"] and proxy.upstream.requests == 0
    other = CIMultiDict([("accept", "a"), ("accept", "b"), ("x-turnout-accuracy", "0.7")])
    assert (await proxy.fetch("POST", path, json.dumps(HELLO).encode(), other)).status == 200
    proxy.admitted += path == CHAT


async def test_an_unknown_step_is_no_error(yard: Yard) -> None:
    """A step's name is the caller's own word; one that no class has takes the class that its facts give it."""
    proxy = await yard({"cheap": "good"})
    assert (await proxy.chat(turnout={"step": "refactor"})).status == 200
    assert (await proxy.settled()).step_class == "chat"


async def test_identities_are_recorded(yard: Yard) -> None:
    """Run and step, so that outcomes can be told of them later."""
    proxy = await yard({"cheap": "good"})
    await proxy.chat(turnout={"run_id": "run-1", "step_id": "step-1"})
    outcome = await proxy.settled()
    assert (outcome.run_id, outcome.step_id) == ("run-1", "step-1")
    await proxy.post(json.dumps(HELLO).encode(), {"x-session-id": "agent-7"})
    assert (await proxy.settled()).run_id == "agent-7"
