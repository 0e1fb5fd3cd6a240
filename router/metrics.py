"""Prometheus metrics, moved by finished outcomes. What the default policy leads to is there from the start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest

from router.evidence import SIGNALS
from router.outcome import Attempt, Outcome, Verdict
from router.series import Counter, Gauge, Histogram
from router.verdicts import Judgement

SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84, 327.68)
"""Buckets of the OpenTelemetry gen_ai conventions, doubled up from 10 ms, with two more for long answers."""
OVERHEAD = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 1.0)
TOKENS = tuple(float(round(16 * 2 ** (i / 2))) for i in range(27))
"""Steps of sqrt(2) from 16 to 131,072 output tokens: fine enough to read quantiles off."""
RATIOS = tuple(round(2.0 ** (i / 2), 3) for i in range(-8, 9))
"""Steps of sqrt(2) from a sixteenth to sixteen times what was expected."""
MAX_CLASSES = 20
"""Step classes with a label of their own, over all policies; the others share `other`."""
OWN_CLASSES = ("none", "embeddings")
"""Of what has no policy."""
JUDGED = (
    ("accepted", "checks"),
    ("rejected", "checks"),
    ("returned", "none"),
    ("success", "caller"),
    ("failure", "caller"),
)
"""What can become of an answer, and who says so."""
REASONS = ("accuracy", "failure_cost", "cost_per_success")
"""What decides, unless nothing meets what is asked."""
P_BINS = tuple(f"{i / 10:.1f}" for i in range(10))
CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def p_bin(p: float) -> str:
    """Lower edge of the tenth that a probability falls in."""
    return P_BINS[min(9, int(p * 10))]


class Metrics:
    """The registry and its metrics. `observe` takes one outcome."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def counter(name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
            return Counter(name, text, labels, registry=self.registry)

        def histogram(name: str, text: str, labels: tuple[str, ...], buckets: tuple[float, ...]) -> Histogram:
            return Histogram(name, text, labels, registry=self.registry, buckets=buckets)

        self.server_duration = histogram(
            "gen_ai_server_request_duration_seconds",
            "What callers wait for one step.",
            ("step_class", "status"),
            SECONDS,
        )
        self.first_token = histogram(
            "gen_ai_server_time_to_first_token_seconds",
            "Until the first content of a streamed answer.",
            ("model",),
            SECONDS,
        )
        self.client_duration = histogram(
            "gen_ai_client_operation_duration_seconds",
            "One attempt at an upstream.",
            ("model", "deployment", "error_type"),
            SECONDS,
        )
        self.client_tokens = counter(
            "gen_ai_client_token_usage_tokens", "Tokens paid for at upstreams.", ("model", "deployment", "token_type")
        )
        self.decisions = counter(
            "turnout_decisions", "Plans chosen, by the model tried first.", ("model", "step_class", "reason", "policy")
        )
        self.outcomes = counter(
            "turnout_outcomes",
            "Attempts by what became of them.",
            ("model", "step_class", "attempt", "outcome", "source", "policy"),
        )
        self.cost = counter("turnout_cost_usd", "Paid at upstreams.", ("model", "step_class", "policy"))
        self.retries = counter(
            "turnout_retries", "Attempts after the first, by why.", ("model", "step_class", "reason")
        )
        self.exhausted = counter(
            "turnout_retry_budget_exhausted", "Steps that ended rejected with no retry left.", ("step_class",)
        )
        self.unmet = counter(
            "turnout_accuracy_unmet", "Steps for which no plan reached the accuracy.", ("step_class", "policy")
        )
        self.predicted = counter(
            "turnout_predicted_success",
            "Decisions by the tenth that the plan's P(success) falls in.",
            ("step_class", "p_bin"),
        )
        self.calibration = counter(
            "turnout_calibration_outcomes",
            "First attempts that the caller judged, by the tenth that their P(success) had been put in.",
            ("model", "p_bin", "outcome"),
        )
        self.output_tokens = histogram(
            "turnout_output_tokens", "Output tokens of one answer, reasoning included.", ("model", "step_class"), TOKENS
        )
        self.length_ratio = histogram(
            "turnout_output_length_ratio",
            "Output tokens of one answer over the median that was expected of it.",
            ("model", "step_class"),
            RATIOS,
        )
        self.length_coverage = counter(
            "turnout_output_length_coverage",
            "Answers by whether they stayed within the 0.9 quantile that was expected of them.",
            ("model", "step_class", "covered"),
        )
        self.drift = counter(
            "turnout_drift_alarms",
            "Times that a model was found to have changed at a class.",
            ("kind", "model", "step_class", "direction"),
        )
        self.overhead = histogram(
            "turnout_decision_overhead_seconds", "From the last byte of the request to the first attempt.", (), OVERHEAD
        )
        self.breaker = Gauge(
            "turnout_breaker_state", "0 closed, 1 half open, 2 open.", ("deployment",), registry=self.registry
        )
        self.inflight = Gauge("turnout_inflight", "Attempts under way.", ("deployment",), registry=self.registry)
        self.limit = Gauge(
            "turnout_concurrency_limit",
            "Attempts that may be under way at once.",
            ("deployment",),
            registry=self.registry,
        )
        self.waiting = Gauge(
            "turnout_queue_waiting", "Steps that wait for a deployment.", ("deployment",), registry=self.registry
        )
        self.queued = counter(
            "turnout_queue", "Attempts that found no room, by what became of them.", ("deployment", "result")
        )
        self.retries_denied = counter(
            "turnout_fault_retries_denied", "Faults after which nobody else was tried, too many steps having faults."
        )
        self.policy_loaded = Gauge(
            "turnout_policy_loaded_timestamp_seconds",
            "When the policy files were read.",
            ("policy",),
            registry=self.registry,
        )
        self.observer_errors = counter(
            "turnout_observer_errors", "Outcomes that a consumer failed to take.", ("consumer",)
        )
        self.journal_records = counter("turnout_journal_records", "Records written to the journal.")
        self.journal_dropped = counter("turnout_journal_dropped", "Records lost because the journal fell behind.")
        self.journal_degraded = Gauge(
            "turnout_journal_degraded", "1 while the journal cannot be written.", registry=self.registry
        )
        self.lessons_withheld = counter(
            "turnout_lessons_withheld", "Changes in what is known of steps that did not count: one key said too much."
        )
        self.lessons_dropped = counter(
            "turnout_lessons_dropped", "Outcomes that came faster than they could be learned."
        )
        self.beliefs_version = Gauge(
            "turnout_beliefs_version", "Observations in the beliefs that decide now.", registry=self.registry
        )
        self.beliefs_holder = Gauge(
            "turnout_beliefs_holder",
            "1 while this process learns for all that share the store.",
            registry=self.registry,
        )
        self.store_errors = counter("turnout_store_errors", "Calls to the shared store that failed.")
        self.store_degraded = Gauge(
            "turnout_store_degraded", "1 while the shared store does not serve.", registry=self.registry
        )
        self.store_waiting = Gauge(
            "turnout_store_waiting", "Events that are not yet in the shared store.", registry=self.registry
        )
        self.store_lost = counter("turnout_store_lost", "Events that never came into the shared store.")
        self.config_errors = counter("turnout_config_errors", "Policy or catalog files refused on reload.")
        self._classes = set(OWN_CLASSES)

    def declare(self, models: Iterable[str], classes: Mapping[str, Iterable[str]], default: str) -> None:
        """Gives classes their labels, policy by policy; creates the default policy's pairs of model and class at zero,
        so that `increase()` sees the first event. Of all policies, and of histograms, that would be thousands."""
        models = list(models)
        for name in (name for names in classes.values() for name in names):
            if len(self._classes) < MAX_CLASSES + len(OWN_CLASSES):
                self._classes.add(name)
        for step_class in {self._class(name): None for name in classes[default]}:
            self.unmet.labels(step_class, default)
            for model in models:
                self.cost.labels(model, step_class, default)
                for reason in REASONS:
                    self.decisions.labels(model, step_class, reason, default)
                for result, source in JUDGED:
                    self.outcomes.labels(model, step_class, "1", result, source, default)

    def _class(self, name: str) -> str:
        return name if name in self._classes else "other"

    def observe(self, outcome: Outcome) -> None:
        """Moves everything that one finished step moves."""
        step_class = self._class(outcome.step_class)
        self.server_duration.labels(step_class, str(outcome.status)).observe(outcome.seconds)
        decision = outcome.decision
        if decision is not None:
            first = decision.chosen.attempts[0]
            self.decisions.labels(first.model, step_class, decision.kind, outcome.policy).inc()
            self.predicted.labels(step_class, p_bin(decision.chosen.p_success)).inc()
            self.overhead.observe(outcome.overhead_s)
            if not decision.accuracy_met:
                self.unmet.labels(step_class, outcome.policy).inc()
        if outcome.result == "rejected":
            self.exhausted.labels(step_class).inc()
        for index, attempt in enumerate(outcome.attempts):
            self._attempt(outcome, attempt, index, step_class)

    def changed(self, kind: str, model: str, step_class: str, direction: str) -> None:
        """Counts an alarm: what a model does at a class is no longer what was believed of it."""
        self.drift.labels(kind, model, self._class(step_class), direction).inc()

    def judged(self, judgement: Judgement) -> None:
        """Moves what a verdict moves."""
        about, verdict = judgement
        if not about.answers:
            return
        result, source = _said(verdict)
        labels = (about.answers[-1].model, self._class(about.step_class), "1" if about.first else "later")
        self.outcomes.labels(*labels, result, source, about.policy).inc()
        if source == "caller" and about.p is not None and about.opinions == 1:
            # A first answer that a check rejected never reached the caller: what was judged came after it.
            first = result if len(about.answers) == 1 else "failure"
            self.calibration.labels(about.answers[0].model, p_bin(about.p), first).inc()

    def _attempt(self, outcome: Outcome, attempt: Attempt, index: int, step_class: str) -> None:
        model = attempt.model
        self.client_duration.labels(model, attempt.deployment, attempt.fault or "").observe(attempt.seconds)
        result, source = _judged(attempt)
        why = _retried(outcome, index)
        self.outcomes.labels(model, step_class, "later" if why else "1", result, source, outcome.policy).inc()
        if why:
            self.retries.labels(model, step_class, why).inc()
        if attempt.input_tokens or attempt.output_tokens:
            self.client_tokens.labels(model, attempt.deployment, "input").inc(attempt.input_tokens)
            self.client_tokens.labels(model, attempt.deployment, "output").inc(attempt.output_tokens)
            self.cost.labels(model, step_class, outcome.policy).inc(attempt.cost_usd)
        if attempt.answered and outcome.decision is not None:
            self.output_tokens.labels(model, step_class).observe(attempt.output_tokens)
            if attempt.output_tokens and not attempt.estimated and attempt.finish_reason != "length":
                self._foretold(outcome.offer(attempt), attempt, step_class)
            if attempt.first_token_s is not None:
                # What the caller waited, failed attempts before this one included.
                self.first_token.labels(model).observe(attempt.started + attempt.first_token_s)

    def _foretold(self, offer: Any, attempt: Attempt, step_class: str) -> None:
        """How an answer's length compares with what was expected; of one that was cut off nobody knows the length."""
        ratio = attempt.output_tokens / max(offer.output_q50, 1.0)
        self.length_ratio.labels(attempt.model, step_class).observe(ratio)
        covered = "true" if attempt.output_tokens <= offer.output_q90 else "false"
        self.length_coverage.labels(attempt.model, step_class, covered).inc()

    def render(self) -> bytes:
        """The registry in OpenMetrics text form, as CONTENT_TYPE says."""
        text: bytes = generate_latest(self.registry)  # type: ignore[no-untyped-call]
        return text


def _retried(outcome: Outcome, index: int) -> str | None:
    """Why the attempt is not the step's first, or None if it is."""
    if index == 0:
        return "caller" if outcome.again else None
    return "rejected" if outcome.attempts[index].position > outcome.attempts[index - 1].position else "fault"


def _judged(attempt: Attempt) -> tuple[str, str]:
    """What became of an attempt, and who says so."""
    if attempt.fault is not None:
        return attempt.fault, "upstream"
    if not attempt.checks:
        return "returned", "none"
    return ("accepted" if attempt.accepted else "rejected"), "checks"


def _said(verdict: Verdict) -> tuple[str, str]:
    """What a verdict or a signal says, and who says it: never a name that a caller made up."""
    good = verdict.success >= 0.5
    if verdict.source in SIGNALS:
        return ("unopposed" if good else "doubted"), verdict.source
    kind, colon, _ = verdict.source.partition(":")
    return ("success" if good else "failure"), (kind if colon else "caller")
