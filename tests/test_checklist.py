"""The comparison's checklist, line by line: which model a step gets from the shipped catalog and policies, and why."""

from __future__ import annotations

from typing import Any

import pytest

from router import catalog as catalogs
from router import policy as policies
from router.beliefs import Beliefs
from router.catalog import Catalog
from router.errors import Infeasible
from router.hints import Hints
from router.plan import Decision, Situation, decide
from router.settings import shipped_dir
from router.step import Facts
from router.terms import resolve, target

NEMOTRON, QWEN122, QWEN397 = "nemotron-3-super", "qwen3.5-122b", "qwen3.5-397b"
QWEN = {QWEN122, QWEN397}
SHIPPED = catalogs.load(shipped_dir() / "models.yaml")
POLICIES = {
    name: policies.load(shipped_dir() / f"{name}.yaml")
    for name in ("default", "cost-first", "accuracy-first", "latency-first", "apache-only")
}
EVERY = tuple(POLICIES)
IMAGE = {"images": ((1024, 768),)}
CODE = {"code": 0.6}


def words(*names: str) -> frozenset[str]:
    return frozenset(names)


def ask(
    policy: str = "default",
    facts: dict[str, Any] | None = None,
    catalog: Catalog = SHIPPED,
    streamed: bool = False,
    **hints: Any,
) -> Decision:
    """The decision for a step of about 8,000 tokens of input where `facts` do not say otherwise."""
    step = Facts(**{"input_bytes": 32_000, **(facts or {})})
    terms = resolve(target(f"auto:{policy}", POLICIES, "default", catalog), step, Hints(**hints), streamed=streamed)
    return decide(step, terms, Beliefs.prior(catalog), catalog, Situation())


def changed(model: str, **changes: Any) -> Catalog:
    """The shipped catalog with each deployment of one model changed."""
    data = SHIPPED.model_dump(by_alias=True)
    for deployment in data["models"][model]["deployments"]:
        deployment.update(changes)
    return Catalog.model_validate(data)


@pytest.mark.parametrize("policy", EVERY)
@pytest.mark.parametrize(
    ("facts", "hints", "models"),
    [
        (IMAGE, {}, QWEN),  # images: Nemotron reads text only
        ({}, {"language": words("sw")}, QWEN),  # a language beyond Nemotron's seven
        ({}, {"license": (words("Apache-2.0"),)}, QWEN),
        ({}, {"license": (words("no-attribution"),)}, QWEN),
        ({}, {"models": (words(QWEN397),)}, {QWEN397}),  # pinned
    ],
)
def test_hard_facts(policy: str, facts: dict[str, Any], hints: dict[str, Any], models: set[str]) -> None:
    """What a model cannot do, or its licence does not grant, decides under every policy."""
    decision = ask(policy, facts, **hints)
    assert {c.model for c in decision.chosen.attempts} <= models
    assert NEMOTRON not in {c.model for options in decision.options.values() for c in options}


@pytest.mark.parametrize(
    ("policy", "facts", "hints", "first"),
    [
        # Cost-bound pipelines.
        ("cost-first", {}, {}, {NEMOTRON}),
        ("cost-first", CODE, {}, {NEMOTRON}),
        ("cost-first", {"tools": 3}, {}, {NEMOTRON}),
        ("cost-first", {"schema": True}, {}, {NEMOTRON}),
        ("default", {}, {"prefer": "cost"}, {NEMOTRON}),
        # Outputs of 20,000 tokens and more: three times the speed, a sixth of the price.
        ("default", {}, {"output_tokens": 25_000}, {NEMOTRON}),
        ("cost-first", {}, {"output_tokens": 25_000}, {NEMOTRON}),
        ("latency-first", {}, {"output_tokens": 25_000}, {NEMOTRON}),
        ("default", {}, {"output_tokens": 25_000, "deadline": 120.0}, {NEMOTRON}),
        # Time first.
        ("latency-first", {}, {}, {NEMOTRON}),
        ("latency-first", CODE, {}, {NEMOTRON}),
        # A million tokens of context, natively.
        ("default", {"input_bytes": 600_000 * 4}, {}, {NEMOTRON}),
        ("accuracy-first", {"input_bytes": 600_000 * 4}, {}, {NEMOTRON}),
        # A 60%-range accuracy suffices.
        ("default", CODE, {"accuracy": 0.6, "retries": 0}, {NEMOTRON}),
        ("cost-first", CODE, {"accuracy": 0.6, "retries": 0}, {NEMOTRON}),
        # Retries with a real test: the cheap model first.
        ("default", CODE, {"verify": "caller", "retries": 2}, {NEMOTRON}),
        ("cost-first", CODE, {"verify": "caller", "retries": 2, "accuracy": 0.8}, {NEMOTRON}),
        # Its licence is acceptable: use, redistribution, derived models.
        ("cost-first", {}, {"license": (words("use", "redistribute", "derive"),)}, {NEMOTRON}),
        # Its seven languages.
        ("cost-first", {"non_latin": 0.9}, {"language": words("zh-Hans")}, {NEMOTRON}),
        # Hardware: a NIM container serves Nemotron alone.
        ("default", {}, {"runtime": (words("nim"),)}, {NEMOTRON}),
        # Accuracy: the better model, single shot, where a failure is dear.
        ("default", CODE, {"accuracy": 0.7, "retries": 0}, {QWEN122}),
        ("default", CODE, {"accuracy": 0.76, "retries": 0}, {QWEN397}),
        ("default", CODE, {"prefer": "accuracy", "retries": 0}, {QWEN397}),
        ("accuracy-first", CODE, {"retries": 0}, {QWEN397}),
        ("accuracy-first", {}, {"step": "science", "retries": 0}, {QWEN397}),
        ("accuracy-first", {}, {"step": "hard", "retries": 0}, {QWEN397}),
        # Apache-2.0 alone.
        ("apache-only", {}, {}, QWEN),
        ("apache-only", CODE, {}, QWEN),
        ("apache-only", {}, {"output_tokens": 25_000}, QWEN),
        # Low-effort thinking, which only Nemotron has.
        ("cost-first", {}, {"thinking": words("low")}, {NEMOTRON}),
    ],
)
def test_first_choice(policy: str, facts: dict[str, Any], hints: dict[str, Any], first: set[str]) -> None:
    """The model that a step is tried on first."""
    assert ask(policy, facts, **hints).chosen.attempts[0].model in first


@pytest.mark.parametrize(
    ("accuracy", "retries", "models"),
    [
        (0.6, 0, [NEMOTRON]),
        (0.7, 0, [QWEN122]),
        (0.76, 0, [QWEN397]),
        (0.7, 1, [NEMOTRON, NEMOTRON]),
        (0.84, 1, [NEMOTRON, QWEN122]),
        (0.8, 2, [NEMOTRON, NEMOTRON, NEMOTRON]),
        (0.85, 2, [NEMOTRON, NEMOTRON, QWEN122]),
    ],
)
def test_cascades(accuracy: float, retries: int, models: list[str]) -> None:
    """With the caller's own test, cost-first builds the worked plans, all models thinking."""
    decision = ask("cost-first", CODE, accuracy=accuracy, retries=retries, verify="caller", thinking=words("on"))
    assert [c.model for c in decision.chosen.attempts] == models
    assert decision.accuracy_met and decision.kind == "accuracy"


@pytest.mark.parametrize("mode", ["on", "off", "low"])
@pytest.mark.parametrize("policy", EVERY)
def test_thinking_modes(policy: str, mode: str) -> None:
    """A thinking setting in the request pins the mode; a model without a low effort thinks in full instead."""
    arms = set(ask(policy, {"thinking": mode}).options)
    wanted = {f"{m}/{mode}" for m in (NEMOTRON, *QWEN)}
    if mode == "low":
        wanted = {f"{NEMOTRON}/low", f"{QWEN122}/on", f"{QWEN397}/on"}
    assert arms == {arm for arm in wanted if policy != "apache-only" or NEMOTRON not in arm}


@pytest.mark.parametrize(
    ("facts", "hints", "model", "kind", "reason"),
    [
        (IMAGE, {"models": (words(NEMOTRON),)}, NEMOTRON, "modality", "takes text only"),
        ({"input_bytes": 300_000 * 4}, {"models": (words(QWEN122),)}, QWEN122, "context", "into 262,144"),
        ({"input_bytes": 300_000 * 4}, {"models": (words(QWEN397),)}, QWEN397, "context", "into 262,144"),
        ({"input_bytes": 2_000_000 * 4}, {}, NEMOTRON, "context", "into 1,000,000"),
        ({}, {"license": (words("Apache-2.0"),), "models": (words(NEMOTRON),)}, NEMOTRON, "license", "Apache-2.0"),
        ({}, {"license": (words("no-attribution"),), "models": (words(NEMOTRON),)}, NEMOTRON, "license",
         "does not grant no-attribution"),
        ({}, {"language": words("sw"), "models": (words(NEMOTRON),)}, NEMOTRON, "language", "speak sw"),
        ({}, {"runtime": (words("metal"),)}, NEMOTRON, "runtime", "the step asks for metal"),
        ({}, {"output_tokens": 60_000, "deadline": 10.0}, QWEN122, "deadline", "the deadline is 10.0 s"),
        ({}, {"max_cost": 0.00001}, QWEN397, "price cap", "the cap is $0.000010"),
    ],
)  # fmt: skip
def test_poor_fits(facts: dict[str, Any], hints: dict[str, Any], model: str, kind: str, reason: str) -> None:
    """What a model does not fit is refused with its reason, and nothing is left if it alone is allowed."""
    with pytest.raises(Infeasible) as error:
        ask(facts=facts, **hints)
    told = [part for part in error.value.message.split(" | ") if model in part and f": {kind}: " in part]
    assert any(reason in part for part in told)


def test_a_caller_cannot_hint_its_way_out() -> None:
    """Licence ids of a caller come on top of the policy's."""
    with pytest.raises(Infeasible):
        ask("apache-only", license=(words("MIT"),))
    assert {c.model for c in ask("apache-only", license=(words("use", "Apache-2.0"),)).chosen.attempts} <= QWEN


def test_high_accuracy_single_shot_is_not_nemotrons() -> None:
    """One shot at code with a high accuracy is beyond Nemotron; beyond all, the surest is taken and says so."""
    decision = ask("cost-first", CODE, accuracy=0.9, retries=0)
    assert decision.chosen.attempts[0].model == QWEN397
    assert (decision.accuracy_met, decision.kind) == (False, "accuracy_unmet")


def test_speed_by_runtime() -> None:
    """Outside CUDA and NIM Nemotron's speed is gone, and with it its place where time is what counts."""
    urgent = {"output_tokens": 25_000, "prefer": "speed"}
    assert ask("latency-first", **urgent).chosen.attempts[0].model == NEMOTRON
    slow = ask("latency-first", catalog=changed(NEMOTRON, runtime="llama-cpp", self_hosted=None, prices=USD), **urgent)
    assert slow.chosen.attempts[0].model in QWEN
    fast, slowed = (
        ask(catalog=c, models=(words(f"{NEMOTRON}/off"),)).chosen.attempts[0].tokens_per_s
        for c in (SHIPPED, changed(NEMOTRON, runtime="rocm"))
    )
    assert slowed < fast / 3


USD = {"input": 0.085, "output": 0.40}


def test_long_outputs_widen_nemotrons_lead() -> None:
    """At ordinary lengths Nemotron writes about three times as fast; on Blackwell at 64k, over seven times."""

    def rate(catalog: Catalog, model: str, tokens: int) -> float:
        return (
            ask(catalog=catalog, models=(words(f"{model}/off"),), output_tokens=tokens).chosen.attempts[0].tokens_per_s
        )

    blackwell = changed(NEMOTRON, runtime="blackwell-nvfp4")
    assert 2.5 < rate(SHIPPED, NEMOTRON, 500) / rate(SHIPPED, QWEN122, 500) < 3.5
    assert 7.0 < rate(blackwell, NEMOTRON, 64_000) / rate(blackwell, QWEN122, 64_000) < 8.0


def test_extended_qwen() -> None:
    """Beyond 256K tokens Qwen serves only where its extended context is deployed."""
    long = {"input_bytes": 500_000 * 4}
    extended = changed(QWEN122, extended=True)
    assert QWEN122 not in {c.model for o in ask(facts=long).options.values() for c in o}
    assert QWEN122 in {c.model for o in ask(facts=long, catalog=extended).options.values() for c in o}
    assert ask("apache-only", long, extended).chosen.attempts[0].model == QWEN122
    with pytest.raises(Infeasible):
        ask("apache-only", long)


def test_no_verification_one_shot() -> None:
    """Without verification, and for a stream that is not held, plans have one attempt."""
    assert len(ask(facts=CODE, verify="none", retries=3, accuracy=0.9).chosen.arms) == 1
    assert len(ask(facts=CODE, streamed=True, retries=3, accuracy=0.9).chosen.arms) == 1


def test_hold_auto() -> None:
    """accuracy-first holds a stream only if no single attempt meets the accuracy."""
    assert not ask("accuracy-first", CODE, streamed=True).hold
    held = ask("accuracy-first", CODE, streamed=True, accuracy=0.77)
    assert held.hold and len(held.chosen.arms) > 1


def test_escalation_climbs() -> None:
    """When Nemotron's answer has failed, the step goes to a Qwen."""
    assert ask("default", CODE, accuracy=0.6, retries=0).chosen.attempts[0].model == NEMOTRON
    step = Facts(input_bytes=32_000, **CODE)
    terms = resolve(target("auto", POLICIES, "default", SHIPPED), step, Hints(accuracy=0.6, retries=1), failed=1)
    again = decide(step, terms, Beliefs.prior(SHIPPED), SHIPPED, Situation(assume_failed=1))
    assert again.chosen.attempts[0].model in QWEN
