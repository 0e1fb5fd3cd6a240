"""Policy, class and hints as one set of terms: who wins where, and that a caller cannot get out of a policy."""

from __future__ import annotations

from typing import Any

import pytest

from router import plan
from router.beliefs import Beliefs
from router.errors import BudgetExhausted, Infeasible, NotFound
from router.hints import Hints
from router.hints import read as read_hints
from router.plan import Situation
from router.policy import Policy
from router.step import Facts
from router.terms import Target, Terms, applicable, classify, resolve, target
from tests.plan.small import catalog

CATALOG = catalog()
CLASSES = [
    {"name": "plan", "match": {"step": ["plan", "Think hard"]}, "accuracy": 0.9, "retries": 3, "time_value": 0.5},
    {"name": "named", "retries": 0, "verify": "caller", "rates": {"caller": {"t": 0.9, "f": 0.1}}},
    {"name": "empty", "match": {}},
    {"name": "vision", "match": {"image": True, "tools": False}},
    {
        "name": "long",
        "match": {"min_input_tokens": 1000},
        "verify": ["schema"],
        "rates": {"schema": {"t": 0.9, "f": 0.5}},
    },
    {
        "name": "novel",
        "match": {"min_output_tokens": 20_000},
        "sigma": 2.0,
        "tau": 0.5,
        "output": {"q50": 9, "q90": 10},
    },
    {"name": "code", "match": {"min_code": 0.3}},
    {"name": "thinking", "match": {"thinking": True}},
    {"name": "other_script", "match": {"min_non_latin": 0.3}},
    {"name": "structured", "match": {"schema": True, "tools": True}, "failure_cost": 7},
    {"name": "rest"},
]
BASE: dict[str, Any] = {
    "name": "default",
    "objective": {"accuracy": 0.5, "failure_cost": 0.01, "time_value": 0.001, "confidence": 0.6},
    "prefer": {"cost": {"time_value": 0}, "accuracy": {"accuracy": 0.99, "failure_cost": 5}},
    "retries": 2,
    "rates": {"length": {"t": 0.8, "f": 0.9}, "schema": {"t": 0.5, "f": 0.7}},
    "aliases": ["gpt-*", "n"],
    "classes": CLASSES,
}


def policy(**changes: Any) -> Policy:
    return Policy.model_validate({**BASE, **changes})


def terms(
    said: Hints | dict[str, Any] | None = None, facts: Facts | None = None, /, *, limits: Any = None, **more: Any
) -> Terms:
    """Of the policy under `limits` with other `policy` keys; what is left of `more` goes to `resolve`."""
    given = read_hints([("", said)]) if isinstance(said, dict) else said or Hints()
    extra = more.pop("policy", {})
    wanted = Target(policy(constraints=limits or {}, **extra), more.pop("pin", None))
    return resolve(wanted, facts or Facts(), given, **more)


POLICIES = {"default": policy(), "cost-first": policy(name="cost-first")}


@pytest.mark.parametrize(
    ("name", "found", "pin"),
    [
        ("auto", "default", None),
        ("auto:default", "default", None),
        ("auto:cost-first", "cost-first", None),
        ("gpt-5-mini", "default", None),
        ("q122", "default", frozenset({"q122"})),
        ("q122/off", "default", frozenset({"q122/off"})),
        ("n", "default", frozenset({"n"})),
    ],
)
def test_a_model_name_means_a_policy_or_pins_a_model(name: str, found: str, pin: frozenset[str] | None) -> None:
    """A model of the catalog is itself, also where an alias would cover its name."""
    assert target(name, POLICIES, "default", CATALOG) == Target(POLICIES[found], pin)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("auto:nope", "policy_not_found"),
        ("auto:", "policy_not_found"),
        ("auto:../default", "policy_not_found"),
        ("auto:default\n", "policy_not_found"),
        ("auto:" + "x" * 9999, "policy_not_found"),
        ("AUTO", "model_not_found"),
        ("", "model_not_found"),
        ("q122/on", "model_not_found"),
        ("x" * 9999, "model_not_found"),
    ],
)
def test_an_unknown_name_is_a_404_that_says_what_there_is(name: str, code: str) -> None:
    """Of bounded length, whatever was sent."""
    with pytest.raises(NotFound, match="default, cost-first|auto, n, q122, q397") as caught:
        target(name, POLICIES, "default", CATALOG)
    assert (caught.value.code, caught.value.param) == (code, "model") and len(caught.value.message) < 400


IMAGE = ((1, 1),)


@pytest.mark.parametrize(
    ("facts", "said", "name"),
    [
        (Facts(), Hints(), "rest"),
        (Facts(), Hints(step="plan"), "plan"),
        (Facts(), Hints(step="Think hard"), "plan"),
        (Facts(images=IMAGE), Hints(step="named"), "named"),
        (Facts(), Hints(step="empty"), "empty"),
        (Facts(images=IMAGE), Hints(step="nobody's"), "vision"),
        (Facts(images=IMAGE), Hints(), "vision"),
        (Facts(images=IMAGE, tools=1), Hints(), "rest"),
        (Facts(input_bytes=3999), Hints(), "rest"),
        (Facts(input_bytes=4000, code=1.0), Hints(), "long"),
        (Facts(max_tokens=20_000), Hints(), "novel"),
        (Facts(max_tokens=20_000), Hints(output_tokens=100), "rest"),
        (Facts(), Hints(output_tokens=20_000), "novel"),
        (Facts(code=0.3), Hints(), "code"),
        (Facts(thinking="low"), Hints(), "thinking"),
        (Facts(), Hints(thinking=frozenset({"on"})), "thinking"),
        (Facts(thinking="off"), Hints(thinking=frozenset({"off"})), "rest"),
        (Facts(non_latin=0.3), Hints(), "other_script"),
        (Facts(schema=True), Hints(), "rest"),
        (Facts(schema=True, tools=2), Hints(), "structured"),
    ],
)
def test_the_first_class_whose_rules_all_hold_takes_the_step(facts: Facts, said: Hints, name: str) -> None:
    """Unless the caller names one; the last takes the rest, and one without rules only those who name it."""
    assert classify(policy(), facts, said).name == name


def test_what_is_not_said_comes_from_the_class_then_the_policy() -> None:
    """And what neither says from the defaults."""
    found = terms({"step": "plan"})
    assert (found.policy, found.step_class, found.confidence) == ("default", "plan", 0.6)
    assert (found.accuracy, found.failure_cost, found.time_value, found.max_attempts) == (0.9, 0.01, 0.5, 4)
    assert (found.deadline, found.deadline_asked, found.max_cost, found.output_hint) == (600.0, False, None, None)
    assert (terms().sigma, terms().tau, terms().output_q50, terms().output_q90) == (1.5, 1.0, 400.0, 1600.0)
    novel = terms({"output_tokens": 30_000})
    assert (novel.sigma, novel.tau, novel.output_q50, novel.output_q90) == (2.0, 0.5, 9.0, 10.0)
    assert novel.output_hint == 30_000
    bare = terms(policy={"objective": {}})
    assert (bare.accuracy, bare.failure_cost, bare.time_value) == (None, None, 0.0)


def test_a_callers_number_wins_over_what_it_prefers_and_that_over_the_class() -> None:
    """A preference of zero is one; what `prefer` does not change stays as class and policy have it."""
    assert terms({"step": "plan", "accuracy": 0.6, "failure_cost": 0, "retries": 0}).accuracy == 0.6
    assert terms({"failure_cost": 0}).failure_cost == 0.0
    assert terms({"prefer": "accuracy", "step": "plan"}).accuracy == 0.99
    assert terms({"prefer": "accuracy", "accuracy": 0.7}).accuracy == 0.7
    assert terms({"prefer": "accuracy", "accuracy": 0.7}).failure_cost == 5
    cheap = terms({"prefer": "cost", "step": "plan"})
    assert (cheap.time_value, cheap.accuracy) == (0.0, 0.9)
    assert terms({"prefer": "speed"}) == terms()  # this policy says nothing of it


WIDE = {
    "license": ["MIT", "use"],
    "models": ["n", "q122", "q397"],
    "runtime": ["cuda", "vllm"],
    "max_cost": 100,
    "deadline": 3000,
    "thinking": "on",
    "verify": "none",
    "prefer": "cost",
}
LIMITS = {
    "license": ["Apache-2.0"],
    "models": ["q122"],
    "runtime": ["cuda"],
    "regions": ["eu"],
    "max_cost": 0.02,
    "deadline": 30,
}


@pytest.mark.parametrize("pin", [None, frozenset({"n"})])
def test_a_caller_cannot_widen_what_a_policy_allows(pin: frozenset[str] | None) -> None:
    """Every list of the policy stays one that must hold, every number the smaller; a pinned model is one more list."""
    found = terms(WIDE, limits=LIMITS, pin=pin, policy={"thinking": ["off"]})
    assert found.license == (frozenset({"Apache-2.0"}), frozenset({"MIT", "use"}))
    assert found.models[0] == {"q122"} and (pin is None or pin in found.models)
    assert found.runtimes == (frozenset({"cuda"}), frozenset({"cuda", "vllm"}))
    assert found.regions == {"eu"}
    assert found.thinking == (frozenset({"off"}), frozenset({"on"}))
    assert (found.max_cost, found.deadline, found.deadline_asked) == (0.02, 30.0, True)


@pytest.mark.parametrize(
    ("limits", "said", "pin"),
    [
        ({"license": ["Apache-2.0"]}, {"models": "n"}, None),
        ({"license": ["Apache-2.0"]}, {}, "n"),
        ({"license": ["Apache-2.0"]}, {"license": "NVIDIA", "models": "n"}, None),
        ({"license": ["no-attribution"]}, {"license": "use", "models": "n"}, None),
        ({"models": ["q122"]}, {"models": "n,q397"}, None),
        ({"models": ["q122"]}, {}, "n/off"),
        ({"runtime": ["vllm"]}, {"runtime": "cuda"}, None),
        ({"regions": ["eu"]}, {}, None),
        ({"max_cost": 1e-9}, {"max_cost": 100, "run_max_cost": 100}, None),
        ({"deadline": 0.001}, {"deadline": 3600}, None),
    ],
)
def test_no_hint_gets_a_step_past_a_policys_gate(limits: dict[str, Any], said: dict[str, Any], pin: str | None) -> None:
    """The planner refuses it with the reasons."""
    found = terms(said, limits=limits, pin=pin and frozenset({pin}))
    with pytest.raises(Infeasible):
        plan.decide(Facts(input_bytes=4000), found, Beliefs.prior(CATALOG), CATALOG, Situation())


def test_a_caller_narrows_what_a_policy_leaves_open() -> None:
    """Its own limits are taken as they are, those from several sources one by one."""
    found = terms(
        read_hints(
            [
                ("a", {"license": "MIT", "models": "n,q122", "deadline": 20, "max_cost": 0.5, "thinking": "off"}),
                ("b", {"license": "Apache-2.0", "models": "n", "deadline": 40, "language": "de"}),
            ]
        )
    )
    assert found.license == (frozenset({"MIT"}), frozenset({"Apache-2.0"}))
    assert found.models == (frozenset({"n", "q122"}), frozenset({"n"}))
    assert (found.deadline, found.deadline_asked, found.max_cost) == (20.0, True, 0.5)
    assert (found.runtimes, found.regions, found.language) == ((), None, {"de"})
    assert found.thinking == (frozenset({"off"}),)


@pytest.mark.parametrize(
    ("said", "used", "attempts"),
    [
        ({}, {}, 3),
        ({"retries": 0}, {}, 1),
        ({"retries": 3}, {}, 4),
        ({"retries": 3}, {"failed": 1}, 3),
        ({"retries": 1}, {"failed": 1}, 1),
        ({"retries": 1}, {"failed": 9}, 1),
        ({"retries": 3, "run_retries": 2}, {}, 3),
        ({"retries": 3, "run_retries": 2}, {"run_retries": 1}, 2),
        ({"retries": 3, "run_retries": 2}, {"run_retries": 2}, 1),
        ({"retries": 3, "run_retries": 2}, {"run_retries": 5}, 1),
        ({"retries": 3, "run_retries": 2}, {"failed": 1}, 2),
        ({"retries": 3, "run_retries": 2}, {"failed": 1, "run_retries": 1}, 1),
        ({"retries": 3, "run_retries": 0}, {}, 1),
        ({"retries": 3}, {"run_retries": 999}, 4),
    ],
)
def test_retries_left_are_the_steps_own_less_those_used_within_the_runs(
    said: dict[str, Any], used: dict[str, int], attempts: int
) -> None:
    """Answers that the caller refused were attempts; asking again is itself a retry of the run."""
    assert terms(said, **used).max_attempts == attempts


@pytest.mark.parametrize(
    ("said", "used", "param"),
    [
        ({"run_retries": 2}, {"failed": 1, "run_retries": 2}, "run_retries"),
        ({"run_retries": 0}, {"failed": 1}, "run_retries"),
        ({"run_max_cost": 0.5}, {"run_cost": 0.5}, "run_max_cost"),
        ({"run_max_cost": 0.5}, {"run_cost": 7.0}, "run_max_cost"),
    ],
)
def test_a_run_that_has_used_its_budget_is_stopped(said: dict[str, Any], used: dict[str, Any], param: str) -> None:
    """With a 429 that says which budget; a first try needs no retry left."""
    with pytest.raises(BudgetExhausted) as caught:
        terms(said, **used)
    assert (caught.value.status, caught.value.param, caught.value.code) == (429, param, "run_budget_exhausted")


@pytest.mark.parametrize(
    ("limits", "said", "spent", "cap"),
    [
        ({}, {}, 99.0, None),
        ({}, {"run_max_cost": 0.5}, 0.375, 0.125),
        ({}, {"run_max_cost": 0.5, "max_cost": 0.0625}, 0.375, 0.0625),
        ({"max_cost": 0.03125}, {"run_max_cost": 0.5, "max_cost": 0.0625}, 0.375, 0.03125),
    ],
)
def test_a_step_may_spend_the_least_of_its_caps_and_what_the_run_has_left(
    limits: dict[str, Any], said: dict[str, Any], spent: float, cap: float | None
) -> None:
    """USD."""
    assert terms(said, limits=limits, run_cost=spent).max_cost == cap


ALL_CHECKS = frozenset({"schema", "tools", "length", "nonempty", "refusal"})


def test_only_checks_with_something_to_judge_apply() -> None:
    """In a fixed order, so that a trace can be compared."""
    assert applicable(ALL_CHECKS, tools=False, schema=False) == ("length", "nonempty", "refusal")
    assert applicable(ALL_CHECKS, tools=False, schema=True) == ("length", "nonempty", "refusal", "schema")
    assert applicable(ALL_CHECKS, tools=True, schema=False) == ("length", "nonempty", "refusal", "tools")
    assert applicable(frozenset({"schema", "tools"}), tools=False, schema=False) == ()


@pytest.mark.parametrize(
    ("said", "facts", "verify", "checks", "t", "f"),
    [
        # The policy verifies by all checks: length is known to it, the others are as good as an unknown format check.
        ({}, Facts(), "checks", ("length", "nonempty", "refusal"), 0.8, 0.9),
        # t multiplies, f is the keenest check's.
        ({"verify": "length,schema"}, Facts(schema=True), "checks", ("length", "schema"), 0.4, 0.7),
        ({"verify": "nonempty"}, Facts(), "checks", ("nonempty",), 1.0, 0.95),
        # A class's own rates go before the policy's.
        ({}, Facts(input_bytes=9999, schema=True), "checks", ("schema",), 0.9, 0.5),
        # Nothing to judge: nobody tells right from wrong.
        ({}, Facts(input_bytes=9999), "none", (), 1.0, 1.0),
        ({"verify": "tools"}, Facts(), "none", (), 1.0, 1.0),
        ({"verify": "none"}, Facts(schema=True), "none", (), 1.0, 1.0),
        ({"verify": "caller"}, Facts(), "caller", (), 1.0, 0.0),
        ({"step": "named"}, Facts(), "caller", (), 0.9, 0.1),
        ({"step": "named", "verify": "none"}, Facts(), "none", (), 1.0, 1.0),
    ],
)
def test_who_judges_and_how_far_it_is_believed(
    said: dict[str, Any], facts: Facts, verify: str, checks: tuple[str, ...], t: float, f: float
) -> None:
    """The caller's word, else the class's, else the policy's."""
    found = terms(said, facts)
    assert (found.verify, found.checks) == (verify, checks)
    assert (found.t, found.f) == (pytest.approx(t), pytest.approx(f))


@pytest.mark.parametrize(
    ("policy_hold", "said", "streamed", "hold", "verify"),
    [
        ("never", {}, False, "never", "checks"),
        ("always", {"hold": True}, False, "never", "checks"),
        ("never", {}, True, "never", "none"),
        ("auto", {}, True, "auto", "checks"),
        ("always", {}, True, "always", "checks"),
        ("never", {"hold": True}, True, "always", "checks"),
        ("always", {"hold": False}, True, "never", "none"),
        ("auto", {"hold": False}, True, "never", "none"),
    ],
)
def test_checks_can_reject_a_stream_only_while_it_is_held(
    policy_hold: str, said: dict[str, Any], streamed: bool, hold: str, verify: str
) -> None:
    """What went out cannot be taken back: then f = 1. An answer that is not streamed is always whole before it goes."""
    found = terms(said, streamed=streamed, policy={"hold": policy_hold})
    assert (found.hold, found.verify) == (hold, verify)
    assert (found.f == 1.0) is (verify == "none")


def test_the_caller_judges_a_stream_as_well() -> None:
    """It reads all of it before it asks again."""
    found = terms({"verify": "caller"}, streamed=True)
    assert (found.verify, found.f, found.hold) == ("caller", 0.0, "never")
