"""Prometheus metrics, moved by finished outcomes. What the default policy leads to is there from the start."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import prometheus_client
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.samples import Exemplar, Sample

from router.census import Row, Table
from router.evidence import SIGNALS
from router.families import Families
from router.outcome import Attempt, Outcome, Verdict
from router.verdicts import Judgement

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
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
"""The format with exemplars."""
PLAIN = "text/plain; version=0.0.4; charset=utf-8"
"""What every scraper and a person reads."""
CHOSEN = "chosen"
"""The plan that was carried out, beside those that would always ask one model."""


def p_bin(p: float) -> str:
    """Lower edge of the tenth that a probability falls in."""
    return P_BINS[min(9, int(p * 10))]


class Metrics(Families):
    """The metrics and what moves them: `observe` takes one outcome, `judged` one verdict."""

    def __init__(self) -> None:
        super().__init__()
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
            self.exhausted.labels(step_class)
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
        trace = outcome.trace_id if outcome.sampled else None  # an example that nobody can look up is none
        self.server_duration.labels(step_class, str(outcome.status)).observe(outcome.seconds, trace)
        decision = outcome.decision
        if decision is not None:
            first = decision.chosen.attempts[0]
            self.decisions.labels(first.model, step_class, decision.kind, outcome.policy).inc()
            self.predicted.labels(step_class, p_bin(decision.chosen.p_success)).inc()
            self.overhead.observe(outcome.overhead_s, trace)
            self._expected(decision, step_class)
            if not decision.accuracy_met:
                self.unmet.labels(step_class, outcome.policy).inc()
        if outcome.result == "rejected":
            self.exhausted.labels(step_class).inc()
        for index, attempt in enumerate(outcome.attempts):
            self._attempt(outcome, attempt, index, step_class, trace)
            for judging in attempt.judgings:
                self.judged_by.labels(judging.name, judging.result, outcome.policy).inc()
                self.judge_seconds.labels(judging.name).observe(judging.seconds)
                self.judge_cost.labels(judging.name, outcome.policy).inc(judging.cost_usd)

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
            self.calibration_predicted.labels(about.answers[0].model, p_bin(about.p)).inc(about.p)

    def _attempt(self, outcome: Outcome, attempt: Attempt, index: int, step_class: str, trace: str | None) -> None:
        model = attempt.model
        self.client_duration.labels(model, attempt.deployment, attempt.fault or "").observe(attempt.seconds, trace)
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
                self.first_token.labels(model).observe(attempt.started + attempt.first_token_s, trace)
                self._pace(attempt, attempt.first_token_s, trace)

    def _expected(self, decision: Any, step_class: str) -> None:
        """What was expected of the chosen plan, and of one attempt at each model that could have taken the step: at
        the arm and deployment where the model's expected cost per success is least."""
        found = {CHOSEN: (decision.chosen.p_success, decision.chosen.cost)}
        for candidates in decision.options.values():
            first = candidates[0]
            known = found.get(first.model)
            if known is None or first.cost * known[0] < known[1] * first.p:
                found[first.model] = first.p, first.cost
        for plan, (p, cost) in found.items():
            self.expected_steps.labels(plan, step_class).inc()
            self.expected_success.labels(plan, step_class).inc(p)
            self.expected_cost.labels(plan, step_class).inc(cost)

    def _pace(self, attempt: Attempt, first: float, trace: str | None) -> None:
        """How fast a streamed answer came at its deployment."""
        where = attempt.model, attempt.deployment
        self.client_first_token.labels(*where).observe(first, trace)
        if attempt.output_tokens and attempt.seconds > first:
            self.pace.labels(*where).observe(attempt.output_tokens / (attempt.seconds - first), trace)

    def _foretold(self, offer: Any, attempt: Attempt, step_class: str) -> None:
        """How an answer's length compares with what was expected; of one that was cut off nobody knows the length."""
        ratio = attempt.output_tokens / max(offer.output_q50, 1.0)
        self.length_ratio.labels(attempt.model, step_class).observe(ratio)
        covered = "true" if attempt.output_tokens <= offer.output_q90 else "false"
        self.length_coverage.labels(attempt.model, step_class, covered).inc()

    def census(self) -> tuple[Table, ...]:
        """All that is counted, as plain rows that another process can be told."""
        return tuple(_table(metric) for metric in self.registry.collect())

    def render(self, accept: str = OPENMETRICS, census: Sequence[Table] | None = None) -> tuple[bytes, str]:
        """The registry, or a census of several, as text, and what that is: OpenMetrics where the `accept` header asks
        for it."""
        source: Any = self.registry if census is None else _Collected(census)
        if "application/openmetrics-text" in accept:
            text: bytes = openmetrics.generate_latest(source)  # type: ignore[no-untyped-call]
            return text, OPENMETRICS
        return prometheus_client.generate_latest(source), PLAIN


class _Collected:
    """A census in the place of a registry."""

    def __init__(self, census: Sequence[Table]) -> None:
        self._census = census

    def collect(self) -> Iterator[Metric]:
        for table in self._census:
            metric = Metric(table.name, table.text, table.kind)
            for row in table.rows:
                example = None if row.example is None else Exemplar({"trace_id": row.example[0]}, *row.example[1:])
                metric.add_sample(row.name, dict(row.labels), row.value, exemplar=example)
            yield metric


def _table(metric: Metric) -> Table:
    return Table(metric.name, metric.documentation, metric.type, tuple(map(_row, metric.samples)))


def _row(sample: Sample) -> Row:
    seen = sample.exemplar
    example = None if seen is None else (seen.labels["trace_id"], seen.value, float(seen.timestamp or 0.0))
    return Row(sample.name, tuple(sample.labels.items()), float(sample.value), example)


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
