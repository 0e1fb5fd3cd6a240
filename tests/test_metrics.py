"""The metrics as Prometheus reads them: names, labels, what one outcome moves."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from router.metrics import MAX_CLASSES, OPENMETRICS, PLAIN, Metrics, p_bin
from router.outcome import Attempt, CheckResult, Outcome
from router.trace import Trace
from router.verdicts import Judgement
from tests.decided import answer, decided, verdict

GOOD, BAD = CheckResult("length", True), CheckResult("schema", False)
BOUNDED = {
    *(
        "model",
        "deployment",
        "step_class",
        "policy",
        "status",
        "error_type",
        "token_type",
        "reason",
        "attempt",
        "outcome",
    ),
    *("source", "p_bin", "consumer", "covered", "le", "plan", "version"),
}


def attempt(model: str = "n", position: int = 0, **changes: Any) -> Attempt:
    fields = {"arm": f"{model}/off", "deployment": "d", "started": 0.0, "seconds": 1.5, "input_tokens": 100}
    return Attempt(model=model, position=position, **{**fields, "output_tokens": 40, "cost_usd": 0.25, **changes})


def outcome(*attempts: Attempt, **changes: Any) -> Outcome:
    base: dict[str, Any] = {
        **{"decision_id": "dec_1", "key_id": "key", "policy": "default", "step_class": "code", "stream": False},
        **{"seconds": 2.0, "overhead_s": 0.0001, "status": 200, "result": "returned", "decision": decision()},
    }
    return Outcome(attempts=attempts, **{**base, **changes})


def decision(model: str = "n", p: float = 0.75, met: bool = True) -> Any:
    """As much of a decision as the metrics look at."""
    chosen = SimpleNamespace(attempts=(SimpleNamespace(model=model),), p_success=p, cost=0.5)
    offers = {"n/off": ("n", 0.5, 0.25), "q/off": ("q", 0.5, 2.0), "q/on": ("q", 0.8, 1.6)}
    options = {arm: (offer(*rest),) for arm, rest in offers.items()}
    return SimpleNamespace(chosen=chosen, kind="failure_cost", accuracy_met=met, options=options)


def offer(model: str, p: float, cost: float) -> Any:
    """As much of a candidate."""
    where = SimpleNamespace(name="d")
    return SimpleNamespace(model=model, p=p, cost=cost, deployment=where, output_q50=20.0, output_q90=80.0)


@pytest.fixture
def metrics() -> Metrics:
    found = Metrics()
    found.declare(("n", "q"), {"default": ("code", "rest"), "cost-first": ("rest", "own")}, "default")
    return found


def samples(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Everything exposed but the process's own, read back by a strict OpenMetrics parser."""
    families = text_string_to_metric_families(metrics.render()[0].decode())
    ours = (f for f in families if not f.name.startswith("process_"))  # those move by themselves
    return {(s.name, frozenset(s.labels.items())): s.value for f in ours for s in f.samples}


def moved(metrics: Metrics, *outcomes: Outcome) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """What these outcomes change, buckets left out."""
    before = samples(metrics)
    for one in outcomes:
        metrics.observe(one)
    after = samples(metrics)
    return {
        k: v - before.get(k, 0.0) for k, v in after.items() if v != before.get(k, 0.0) and not k[0].endswith("_bucket")
    }


def at(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def test_what_is_rendered_is_openmetrics(metrics: Metrics) -> None:
    """Ended as the format demands, and called what it is."""
    metrics.observe(outcome(attempt(first_token_s=0.1), attempt(position=1, fault="reset")))
    metrics.policy_loaded.labels("default").set(1.7e9)
    metrics.breaker.labels("n:d").set(2)
    metrics.inflight.labels("n:d").set(1)
    metrics.observer_errors.labels("journal").inc()
    metrics.config_errors.inc()
    assert metrics.render()[0].endswith(b"# EOF\n")
    labels = {label for _, pairs in samples(metrics) for label, _ in pairs}
    assert labels <= BOUNDED


def test_what_the_default_policy_leads_to_is_there_from_the_start(metrics: Metrics) -> None:
    """At zero, so that `increase()` sees the first event; only counters, and no other policy's."""
    found = samples(metrics)
    for model in ("n", "q"):
        for step_class in ("code", "rest"):
            where = {"model": model, "step_class": step_class, "policy": "default"}
            assert found[at("turnout_cost_usd_total", **where)] == 0
            assert found[at("turnout_decisions_total", **where, reason="failure_cost")] == 0
            assert found[at("turnout_accuracy_unmet_total", step_class=step_class, policy="default")] == 0
            assert found[at("turnout_retry_budget_exhausted_total", step_class=step_class)] == 0
            for result, source in (("accepted", "checks"), ("rejected", "checks"), ("returned", "none")):
                judged = {"attempt": "1", "outcome": result, "source": source}
                assert found[at("turnout_outcomes_total", **where, **judged)] == 0
    labels = {pair for _, pairs in found for pair in pairs}
    assert ("policy", "cost-first") not in labels and ("step_class", "own") not in labels
    assert not [pairs for name, pairs in found if name.endswith("_bucket") and len(pairs) > 1]


def test_no_creation_times_are_exposed(metrics: Metrics) -> None:
    """They would be a third of all series; other registries of the process keep theirs."""
    metrics.observe(outcome(attempt(first_token_s=0.1)))
    assert b"_created" not in metrics.render()[0]
    other = CollectorRegistry()
    Counter("other", "Of another library.", registry=other).inc()
    assert b"other_created" in generate_latest(other)  # type: ignore[no-untyped-call]


def test_one_plain_answer(metrics: Metrics) -> None:
    """Exactly this moves."""
    where = {"model": "n", "step_class": "code"}
    client = {"model": "n", "deployment": "d", "error_type": ""}
    assert moved(metrics, outcome(attempt())) == {
        at("gen_ai_server_request_duration_seconds_count", step_class="code", status="200"): 1,
        at("gen_ai_server_request_duration_seconds_sum", step_class="code", status="200"): 2.0,
        at("gen_ai_client_operation_duration_seconds_count", **client): 1,
        at("gen_ai_client_operation_duration_seconds_sum", **client): 1.5,
        at("gen_ai_client_token_usage_tokens_total", model="n", deployment="d", token_type="input"): 100,
        at("gen_ai_client_token_usage_tokens_total", model="n", deployment="d", token_type="output"): 40,
        at("turnout_decisions_total", **where, reason="failure_cost", policy="default"): 1,
        at("turnout_predicted_success_total", step_class="code", p_bin="0.7"): 1,
        at("turnout_decision_overhead_seconds_count"): 1,
        at("turnout_decision_overhead_seconds_sum"): 0.0001,
        at("turnout_outcomes_total", **where, attempt="1", outcome="returned", source="none", policy="default"): 1,
        at("turnout_cost_usd_total", **where, policy="default"): 0.25,
        at("turnout_output_tokens_count", **where): 1,
        at("turnout_output_tokens_sum", **where): 40,
        at("turnout_output_length_ratio_count", **where): 1,
        at("turnout_output_length_ratio_sum", **where): 2.0,
        at("turnout_output_length_coverage_total", **where, covered="true"): 1,
        **{at("turnout_expected_steps_total", step_class="code", plan=plan): 1 for plan in ("chosen", "n", "q")},
        at("turnout_expected_success_total", step_class="code", plan="chosen"): 0.75,
        at("turnout_expected_success_total", step_class="code", plan="n"): 0.5,
        at("turnout_expected_success_total", step_class="code", plan="q"): 0.8,
        at("turnout_expected_cost_usd_total", step_class="code", plan="chosen"): 0.5,
        at("turnout_expected_cost_usd_total", step_class="code", plan="n"): 0.25,
        at("turnout_expected_cost_usd_total", step_class="code", plan="q"): 1.6,
    }


def test_a_model_alone_is_expected_to_cost_what_its_cheapest_arm_costs_for_a_success(metrics: Metrics) -> None:
    """Whichever order the arms come in; a model that the gates leave out is expected nothing."""
    for options in ({"on": (offer("q", 0.8, 1.6),), "off": (offer("q", 0.5, 2.0),)}, {"n": (offer("n", 0.5, 0.25),)}):
        made = decision()
        made.options = options
        metrics.observe(outcome(decision=made))
    found = samples(metrics)
    assert by(found, "turnout_expected_cost_usd_total", "plan") == {("chosen",): 1.0, ("q",): 1.6, ("n",): 0.25}
    assert by(found, "turnout_expected_steps_total", "plan") == {("chosen",): 2, ("q",): 1, ("n",): 1}


def by(
    found: dict[tuple[str, frozenset[tuple[str, str]]], float], name: str, *labels: str
) -> dict[tuple[str, ...], float]:
    """The samples of one metric by some of its labels."""
    return {tuple(dict(pairs)[x] for x in labels): v for (n, pairs), v in found.items() if n == name}


def test_lengths_are_held_against_what_was_expected(metrics: Metrics) -> None:
    """By median and q90 of the deployment that answered; an answer whose length nobody knows counts for nothing."""
    lengths = [attempt(output_tokens=tokens) for tokens in (10, 80, 81)]
    unknown = [
        attempt(output_tokens=900, finish_reason="length"),
        attempt(output_tokens=900, estimated=True),
        attempt(output_tokens=0),
        attempt(output_tokens=900, fault="reset"),
    ]
    found = moved(metrics, *(outcome(a) for a in (*lengths, *unknown)))
    assert by(found, "turnout_output_length_coverage_total", "covered") == {("true",): 2, ("false",): 1}
    assert by(found, "turnout_output_length_ratio_sum", "model") == {("n",): pytest.approx((10 + 80 + 81) / 20)}
    assert by(found, "turnout_output_length_ratio_count", "model") == {("n",): 3}


def test_a_rejected_answer_and_a_fault_are_retried_for_different_reasons(metrics: Metrics) -> None:
    """And each attempt's outcome says who judged it."""
    walked = (
        attempt(checks=(GOOD, BAD)),
        attempt("q", 1, fault="reset", input_tokens=0, output_tokens=0, cost_usd=0.0),
        attempt("n", 1, checks=(GOOD,)),
    )
    found = moved(metrics, outcome(*walked, result="accepted"))
    assert by(found, "turnout_outcomes_total", "model", "attempt", "outcome", "source") == {
        ("n", "1", "rejected", "checks"): 1,
        ("q", "later", "reset", "upstream"): 1,
        ("n", "later", "accepted", "checks"): 1,
    }
    assert by(found, "turnout_retries_total", "model", "reason") == {("q", "rejected"): 1, ("n", "fault"): 1}
    assert by(found, "turnout_cost_usd_total", "model") == {("n",): 0.5}
    assert by(found, "turnout_output_tokens_count", "model") == {("n",): 2}
    assert "turnout_retry_budget_exhausted_total" not in {name for name, _ in found}


def test_a_step_that_the_caller_asks_for_again_is_no_first_attempt(metrics: Metrics) -> None:
    """Its first call is a retry, and the caller the reason."""
    found = moved(metrics, outcome(attempt(), again=True))
    assert by(found, "turnout_outcomes_total", "attempt") == {("later",): 1}
    assert by(found, "turnout_retries_total", "reason") == {("caller",): 1}


def test_a_step_that_ends_rejected_and_one_whose_accuracy_no_plan_met_are_counted(metrics: Metrics) -> None:
    """The two ways in which a policy asks too much of its models."""
    found = moved(metrics, outcome(attempt(checks=(BAD,)), result="rejected", decision=decision(met=False)))
    assert found[at("turnout_retry_budget_exhausted_total", step_class="code")] == 1
    assert found[at("turnout_accuracy_unmet_total", step_class="code", policy="default")] == 1


def test_the_first_token_is_timed_from_the_callers_request(metrics: Metrics) -> None:
    """What came before, failed attempts included, is part of the caller's wait."""
    walked = (attempt(fault="connect"), attempt("q", started=3.0, first_token_s=0.5))
    found = moved(metrics, outcome(*walked))
    assert by(found, "gen_ai_server_time_to_first_token_seconds_sum", "model") == {("q",): 3.5}


def test_a_deployment_s_pace_is_that_of_its_streams(metrics: Metrics) -> None:
    """From its own first content on; an answer that came in one piece, or at once, has no pace."""
    walked = (
        attempt(started=3.0, first_token_s=0.5),
        attempt(),
        attempt(first_token_s=1.5),
        attempt(first_token_s=0.5, output_tokens=0),
    )
    found = moved(metrics, *(outcome(a) for a in walked))
    assert by(found, "gen_ai_client_time_to_first_token_seconds_count", "model", "deployment") == {("n", "d"): 3}
    assert by(found, "gen_ai_client_time_to_first_token_seconds_sum", "model") == {("n",): 2.5}
    assert by(found, "turnout_output_tokens_per_second_sum", "model", "deployment") == {("n", "d"): 40.0}
    assert by(found, "turnout_output_tokens_per_second_count", "model") == {("n",): 1}


TRACED = (
    "gen_ai_server_request_duration_seconds",
    "gen_ai_server_time_to_first_token_seconds",
    "gen_ai_client_operation_duration_seconds",
    "gen_ai_client_time_to_first_token_seconds",
    "turnout_output_tokens_per_second",
    "turnout_decision_overhead_seconds",
)


def test_each_time_points_to_a_trace(metrics: Metrics) -> None:
    """The last one in each bucket, with its value and moment; what has no trace, or one that was not sampled and so is
    kept nowhere, takes no example away."""
    unsampled = Trace("c" * 32, flags=0)
    for trace, seconds in ((Trace("a" * 32), 2.0), (None, 2.1), (unsampled, 2.2), (Trace("b" * 32), 9.0)):
        metrics.observe(outcome(attempt(first_token_s=0.1), trace=trace, seconds=seconds))
    text = metrics.render(OPENMETRICS)[0].decode()
    found = {
        f.name: {s.labels["le"]: s.exemplar for s in f.samples if s.exemplar}
        for f in text_string_to_metric_families(text)
    }
    assert {name for name, examples in found.items() if examples} == set(TRACED)
    waits = {le: (e.labels, e.value) for le, e in found[TRACED[0]].items()}
    assert waits == {"2.56": ({"trace_id": "a" * 32}, 2.0), "10.24": ({"trace_id": "b" * 32}, 9.0)}
    assert all(abs(float(e.timestamp) - time.time()) < 60 for e in found[TRACED[0]].values())


ACCEPTS = [
    ("", PLAIN),
    ("*/*", PLAIN),
    ("text/plain;version=0.0.4", PLAIN),
    # What Prometheus 2.42 sends, then 3.
    (
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,*/*;q=0.1",
        OPENMETRICS,
    ),
    (
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
        OPENMETRICS,
    ),
]


@pytest.mark.parametrize(("accept", "kind"), ACCEPTS)
def test_a_scraper_gets_what_it_accepts(metrics: Metrics, accept: str, kind: str) -> None:
    """Plain text, without exemplars, unless OpenMetrics is asked for; the same series in both."""
    metrics.observe(outcome(attempt(), trace=Trace("a" * 32)))
    text, said = metrics.render(accept)
    assert said == kind and text.endswith(b"# EOF\n") == (kind == OPENMETRICS)
    assert (b" # {trace_id=" in text) == (kind == OPENMETRICS)
    assert b'turnout_cost_usd_total{model="n",policy="default",step_class="code"} 0.25\n' in text


def test_only_the_versions_that_serve_are_told(metrics: Metrics) -> None:
    """A policy's older version is gone with the reload that brought another."""
    for version in ("v1", "v2"):
        metrics.policy_info.only(("default", version), ("own", "x"))
    found = by(samples(metrics), "turnout_policy_info", "policy", "version")
    assert found == {("default", "v2"): 1, ("own", "x"): 1}


def test_a_scrape_of_three_thousand_series_is_quick(metrics: Metrics) -> None:
    """Tens of milliseconds in either format, in a thread beside the requests; the bound leaves room."""
    for model in (f"m{i}" for i in range(6)):
        for place in (f"d{i}" for i in range(8)):
            for spread in (metrics.client_first_token, metrics.pace):
                spread.labels(model, place).observe(1.0, "a" * 32)
            for error in ("", "reset"):
                metrics.client_duration.labels(model, place, error).observe(1.0)
            metrics.output_tokens.labels(model, place).observe(20)
    for accept in (PLAIN, OPENMETRICS):
        spent = []
        for _ in range(5):
            began = time.process_time()
            text, _ = metrics.render(accept)
            spent.append(time.process_time() - began)
        series = [line for line in text.splitlines() if not line.startswith(b"#")]
        assert len(series) >= 3_000 and min(spent) / len(series) * 3_000 < 0.2


def test_a_step_without_a_decision_moves_only_what_the_caller_saw(metrics: Metrics) -> None:
    """A request refused for what it says: no plan, no attempt."""
    found = moved(metrics, outcome(decision=None, policy="", step_class="none", status=400, result="error"))
    assert found == {
        at("gen_ai_server_request_duration_seconds_count", step_class="none", status="400"): 1,
        at("gen_ai_server_request_duration_seconds_sum", step_class="none", status="400"): 2.0,
    }


def test_at_most_twenty_classes_have_a_label_of_their_own() -> None:
    """Those that come later, over all policies and reloads, and those that nobody declared, share one."""
    metrics = Metrics()
    metrics.declare(("n",), {"a": [f"c{i}" for i in range(MAX_CLASSES)], "b": ["c0", "late"]}, "a")
    metrics.declare(("n",), {"c": ["later"]}, "c")
    for name in ("c0", f"c{MAX_CLASSES - 1}", "late", "later", "unheard-of", "none"):
        metrics.observe(outcome(attempt(), step_class=name))
    classes = by(samples(metrics), "gen_ai_server_request_duration_seconds_count", "step_class")
    assert classes == {("c0",): 1, (f"c{MAX_CLASSES - 1}",): 1, ("other",): 3, ("none",): 1}
    every = {dict(pairs).get("step_class") for _, pairs in samples(metrics)} - {None}
    assert len(every) == MAX_CLASSES + 2


VERDICTS = [
    (verdict(1.0), "success", "caller"),
    (verdict(0.4, "nightly-tests"), "failure", "caller"),
    (verdict(0.0, "judge:pytest"), "failure", "judge"),
    (verdict(1.0, "run:nightly-tests", weight=0.1), "success", "run"),
    (verdict(0.0, "resend"), "doubted", "resend"),
    (verdict(1.0, "resend"), "unopposed", "resend"),
    (verdict(0.0, "truncation"), "doubted", "truncation"),
]


@pytest.mark.parametrize(("said", "result", "source"), VERDICTS)
def test_a_verdict_is_counted_by_who_says_so(metrics: Metrics, said: Any, result: str, source: str) -> None:
    """Never under a name that a caller made up; on the model whose answer it is about."""
    before = samples(metrics)
    metrics.judged(Judgement(decided("d1", answer("q/on", False), answer(), step_class="code"), said))
    after = samples(metrics)
    labels = {"model": "n", "step_class": "code", "attempt": "later", "policy": "p"}
    key = at("turnout_outcomes_total", **labels, outcome=result, source=source)
    assert {k for k in after if after[k] != before.get(k, 0.0)} == {key} and after[key] == 1


@pytest.mark.parametrize(
    ("about", "model", "result"),
    [
        (decided(p=0.72, verdicts=(verdict(1.0),)), "n", "success"),
        (decided("d1", answer("q/on", False), answer(), p=0.72, verdicts=(verdict(1.0),)), "q", "failure"),
        (decided(p=None, verdicts=(verdict(1.0),)), None, ""),
        (decided(p=0.72, verdicts=(verdict(1.0), verdict(1.0, "tests"))), None, ""),
    ],
)
def test_predictions_are_held_against_the_first_verdict(
    metrics: Metrics, about: Any, model: str | None, result: str
) -> None:
    """Of the first attempt; what a check rejected failed, and a stand-in was not what was predicted."""
    metrics.judged(Judgement(about, verdict(1.0)))
    found = {k: v for k, v in samples(metrics).items() if k[0] == "turnout_calibration_outcomes_total"}
    wanted = at("turnout_calibration_outcomes_total", model=model or "", p_bin="0.7", outcome=result)
    assert found == ({wanted: 1.0} if model else {})


def test_a_verdict_on_no_answer_is_not_counted(metrics: Metrics) -> None:
    """Nobody made a mistake there."""
    before = samples(metrics)
    metrics.judged(Judgement(decided(answers=()), verdict(0.0)))
    assert samples(metrics) == before


def test_no_identity_is_a_label(metrics: Metrics) -> None:
    """Ids of runs, steps, keys, decisions and traces are without bound; a trace may be an example of a series."""
    secrets = {
        "decision_id": "dec_zzz",
        "key_id": "key_zzz",
        "run_id": "run_zzz",
        "step_id": "step_zzz",
        "trace": Trace("t_zzz"),
    }
    metrics.observe(outcome(attempt(), **secrets))
    assert b"zzz" not in metrics.render(PLAIN)[0]
    assert {
        s.labels.get("trace_id")
        for f in text_string_to_metric_families(metrics.render()[0].decode())
        for s in f.samples
    } == {None}


@pytest.mark.parametrize(
    ("p", "edge"), [(0.0, "0.0"), (0.0999, "0.0"), (0.1, "0.1"), (0.75, "0.7"), (0.9, "0.9"), (1.0, "0.9")]
)
def test_a_probability_falls_into_its_tenth(p: float, edge: str) -> None:
    """Named by its lower edge; certainty is in the last."""
    assert p_bin(p) == edge
