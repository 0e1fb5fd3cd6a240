"""Every hard gate, closed and open, and the words it closes with."""

from __future__ import annotations

from typing import Any

import pytest

from router.errors import Infeasible
from router.plan import Situation
from router.step import Facts
from tests.plan.small import (
    APACHE,
    FACTS,
    NEMOTRON,
    Q122,
    Q397,
    QWEN122,
    QWEN397,
    N,
    catalog,
    choose,
    deployment,
)

PRICES = {"input": 0.1, "output": 0.1}
MODES = {"on": {"enable": True}, "off": {"enable": False}}
CATALOG = catalog(
    {
        "n": {**NEMOTRON, "languages": ["en", "zh-Hans"], "context": {"native": 1_000_000}},
        "q122": {
            **QWEN122,
            "context": {"native": 262_144, "extended": 1_010_000},
            "runtimes": {"cuda": 1.0, "metal": 0.1},
            "thinking": {"on": {"reasoning_tokens": 1500}, "off": {"logit_offset": -0.8}},
            "deployments": [
                deployment("plain", prices=PRICES, regions=["us"], supports=["tools"], thinking=MODES),
                deployment("long", prices=PRICES, extended=True, runtime="metal", regions=["eu"], thinking=MODES),
            ],
        },
        "q397": {**QWEN397, "context": {"native": 262_144}, "license": {**APACHE, "spdx": "apache-2.0"}},
        "idle": {**QWEN397, "languages": None, "deployments": []},
    }
)
ON, OFF = "q122/on", "q122/off"
ALL = {N, ON, OFF, Q397}
QWEN = {ON, OFF, Q397}


def words(*names: str) -> frozenset[str]:
    return frozenset(names)


@pytest.mark.parametrize(
    ("facts", "terms", "open_arms", "gates"),
    [
        ({}, {}, ALL, {("idle/off", None, "deployment", "no deployment serves this mode")}),
        ({"images": ((640, 480),)}, {}, QWEN, {(N, None, "modality", "takes text only; the step has 1 image(s)")}),
        ({}, {"license": (words("apache-2.0"),)}, QWEN,
         {(N, None, "license", "licence is NVIDIA Nemotron Open Model License; the step asks for apache-2.0")}),
        ({}, {"license": (words("MIT", "Apache-2.0", "use"),)}, QWEN, set()),
        ({}, {"license": (words("Apache-2.0"), words("MIT"))}, None, set()),
        ({}, {"license": (words("redistribute", "derive"),)}, ALL, set()),
        ({}, {"license": (words("use", "no-attribution"),)}, QWEN,
         {(N, None, "license", "NVIDIA Nemotron Open Model License does not grant no-attribution")}),
        ({}, {"models": (words("q122", N), words(OFF, N))}, {OFF, N},
         {(ON, None, "allow-list", "not among the models allowed: n/off, q122/off"),
          (Q397, None, "allow-list", "not among the models allowed: n/off, q122")}),
        ({}, {"thinking": (words("on", "low"),)}, {ON},
         {(OFF, None, "thinking", "mode off; the step asks for low, on")}),
        ({"thinking": "on"}, {}, {ON}, {(N, None, "thinking", "mode off; the step asks for on")}),
        ({"thinking": "off"}, {}, {N, OFF, Q397}, {(ON, None, "thinking", "mode on; the step asks for off")}),
        ({"thinking": "low"}, {}, {ON}, set()),
        ({}, {"language": words("EN-us", "zh")}, ALL, set()),
        ({}, {"language": words("en", "sw-KE")}, QWEN, {(N, None, "language", "not known to speak sw-KE")}),
        ({"tools": 1}, {}, ALL, set()),
        ({"tools": 1, "schema": True, "logprobs": True}, {}, ALL,
         {(ON, "plain", "feature", "does not support logprobs, schema")}),
        ({}, {"runtimes": (words("metal"), words("metal", "cuda"))}, {ON, OFF},
         {(N, "main", "runtime", "runs on cuda; the step asks for metal")}),
        ({}, {"regions": words("eu")}, {ON, OFF},
         {(N, "main", "region", "in no stated region; the policy asks for eu"),
          (ON, "plain", "region", "in us; the policy asks for eu")}),
        ({"input_bytes": 300_000 * 4}, {}, {N, ON, OFF},
         {(Q397, "main", "context",
           "about 300,000 input tokens (+10% margin) and up to 1,500 of output (q90) do not fit into 262,144")}),
        ({"input_bytes": 930_000 * 4}, {}, None, set()),
        ({"input_bytes": 4 * 240_000, "max_tokens": 100}, {}, {N, OFF},
         {(ON, None, "output limit", "thinks for 1,500 tokens in every other answer; max_tokens is 100")}),
        ({"max_tokens": 1500}, {}, {N, OFF, Q397}, set()),
        ({"input_bytes": 4 * 230_000, "max_tokens": 1501}, {}, ALL, set()),
        ({}, {"max_cost": 0.0015}, {N, ON, OFF},
         {(Q397, "main", "price cap", "one attempt costs about $0.008100; the cap is $0.001500, by policy, hints, "
          "run, or what the key has left")}),
        ({}, {"deadline": 9.0, "deadline_asked": True}, {N, OFF},
         {(Q397, "main", "deadline", "takes at least 13.3 s; the deadline is 9.0 s")}),
        ({}, {"deadline": 9.0}, ALL, set()),
    ],
)  # fmt: skip
def test_gates(facts: dict[str, Any], terms: dict[str, Any], open_arms: set[str] | None, gates: set[Any]) -> None:
    """A gate closes on exactly the arms and deployments that cannot serve the step, and says why."""
    step = Facts(**{"input_bytes": 32_000, **facts})
    if open_arms is None:
        with pytest.raises(Infeasible):
            choose(CATALOG, step, **terms)
        return
    decision = choose(CATALOG, step, **terms)
    assert set(decision.options) == open_arms
    assert gates <= {(g.arm, g.deployment, g.kind, g.reason) for g in decision.gates}
    closed = {g.arm for g in decision.gates}
    assert closed | open_arms == ALL | {"idle/off"}


def test_health_closes_one_deployment() -> None:
    """A sick deployment leaves the arm to its sibling."""
    decision = choose(CATALOG, FACTS, Situation(unhealthy=frozenset({"q122:plain"})))
    assert [c.deployment.name for c in decision.options[ON]] == ["long"]
    health = [g for g in decision.gates if g.kind == "health"]
    assert {(g.arm, g.deployment) for g in health} == {(ON, "plain"), (OFF, "plain")}
    assert health[0].reason == "it is left alone after faults, slow answers or a rate limit"


def test_every_closed_gate_is_told() -> None:
    """One arm may fail several gates, and all are listed."""
    decision = choose(CATALOG, Facts(images=((0, 0),), input_bytes=400), license=(words("no-attribution"),))
    assert {g.kind for g in decision.gates if g.arm == N} == {"modality", "license"}


def test_only_the_extended_deployment_takes_a_long_input() -> None:
    """Beyond the native window an arm is planned at its extended deployment."""
    decision = choose(CATALOG, Facts(input_bytes=4 * 500_000), models=(words("q122"),))
    assert {c.deployment.name for options in decision.options.values() for c in options} == {"long"}


def test_one_mode_models_ignore_the_pin_of_that_mode() -> None:
    """A model that never thinks serves a step that asks for no thinking."""
    assert Q122 in choose(catalog(), Facts(thinking="off")).options


def test_a_pinned_arm_is_not_cramped_out() -> None:
    """Where every arm left would think past `max_tokens`, the caller has asked for that."""
    assert set(choose(CATALOG, Facts(max_tokens=16), models=(words(ON),)).options) == {ON}
