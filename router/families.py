"""The table of metrics: each one's name, kind, labels, buckets and meaning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector

from router.series import Counter, Gauge, Histogram

SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84, 327.68)
"""Buckets of the OpenTelemetry gen_ai conventions, doubled up from 10 ms, with two more for long answers."""
OVERHEAD = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 1.0)
TOKENS = tuple(float(round(16 * 2 ** (i / 2))) for i in range(27))
"""Steps of sqrt(2) from 16 to 131,072 output tokens: fine enough to read quantiles off."""
RATIOS = tuple(round(2.0 ** (i / 2), 3) for i in range(-8, 9))
"""Steps of sqrt(2) from a sixteenth to sixteen times what was expected."""
PACES = tuple(float(5 * 2**i) for i in range(11))
"""Doubled from 5 to 5,120 output tokens per second."""


class Declared(NamedTuple):
    """A metric that is made anew in each registry."""

    make: Callable[[CollectorRegistry], Any]


def counter(name: str, text: str, *labels: str) -> Any:
    return Declared(lambda registry: Counter(name, text, labels, registry=registry))


def gauge(name: str, text: str, *labels: str) -> Any:
    return Declared(lambda registry: Gauge(name, text, labels, registry=registry))


def histogram(name: str, text: str, *labels: str, buckets: tuple[float, ...]) -> Any:
    return Declared(lambda registry: Histogram(name, text, labels, registry=registry, buckets=buckets))


class Families:
    """A registry, and under the names of this table the metrics in it."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for name, declared in vars(Families).items():
            if isinstance(declared, Declared):
                setattr(self, name, declared.make(self.registry))
        ProcessCollector(registry=self.registry)  # memory, processor time and open files, where there is a /proc

    server_duration: Histogram = histogram(
        "gen_ai_server_request_duration_seconds",
        "What callers wait for one step.",
        "step_class",
        "status",
        buckets=SECONDS,
    )
    first_token: Histogram = histogram(
        "gen_ai_server_time_to_first_token_seconds",
        "Until the first content of a streamed answer.",
        "model",
        buckets=SECONDS,
    )
    client_duration: Histogram = histogram(
        "gen_ai_client_operation_duration_seconds",
        "One attempt at an upstream.",
        "model",
        "deployment",
        "error_type",
        buckets=SECONDS,
    )
    client_tokens: Counter = counter(
        "gen_ai_client_token_usage_tokens",
        "Tokens paid for at upstreams.",
        "model",
        "deployment",
        "token_type",
    )
    client_first_token: Histogram = histogram(
        "gen_ai_client_time_to_first_token_seconds",
        "From the start of one attempt to the first content of its stream.",
        "model",
        "deployment",
        buckets=SECONDS,
    )
    pace: Histogram = histogram(
        "turnout_output_tokens_per_second",
        "How fast one streamed answer came after its first content.",
        "model",
        "deployment",
        buckets=PACES,
    )
    decisions: Counter = counter(
        "turnout_decisions",
        "Plans chosen, by the model tried first.",
        "model",
        "step_class",
        "reason",
        "policy",
    )
    outcomes: Counter = counter(
        "turnout_outcomes",
        "Attempts by what became of them.",
        "model",
        "step_class",
        "attempt",
        "outcome",
        "source",
        "policy",
    )
    cost: Counter = counter("turnout_cost_usd", "Paid at upstreams.", "model", "step_class", "policy")
    judged_by: Counter = counter("turnout_judge_calls", "Calls of a policy's judges.", "judge", "result", "policy")
    judge_seconds: Histogram = histogram(
        "turnout_judge_duration_seconds", "One call of a judge.", "judge", buckets=SECONDS
    )
    judge_cost: Counter = counter("turnout_judge_cost_usd", "Paid for judging.", "judge", "policy")
    retries: Counter = counter("turnout_retries", "Attempts after the first, by why.", "model", "step_class", "reason")
    exhausted: Counter = counter(
        "turnout_retry_budget_exhausted",
        "Steps that ended rejected with no retry left.",
        "step_class",
    )
    unmet: Counter = counter(
        "turnout_accuracy_unmet",
        "Steps for which no plan reached the accuracy.",
        "step_class",
        "policy",
    )
    predicted: Counter = counter(
        "turnout_predicted_success",
        "Decisions by the tenth that the plan's P(success) falls in.",
        "step_class",
        "p_bin",
    )
    calibration: Counter = counter(
        "turnout_calibration_outcomes",
        "First attempts that the caller judged, by the tenth that their P(success) had been put in.",
        "model",
        "p_bin",
        "outcome",
    )
    calibration_predicted: Counter = counter(
        "turnout_calibration_predicted",
        "What P(success) had been put at for those first attempts, added up.",
        "model",
        "p_bin",
    )
    expected_steps: Counter = counter(
        "turnout_expected_steps", "Decisions at which a plan was possible.", "plan", "step_class"
    )
    expected_success: Counter = counter(
        "turnout_expected_success", "P(success) of a plan as believed at each decision, added up.", "plan", "step_class"
    )
    expected_cost: Counter = counter(
        "turnout_expected_cost_usd", "Expected cost of a plan at each decision, added up.", "plan", "step_class"
    )
    output_tokens: Histogram = histogram(
        "turnout_output_tokens",
        "Output tokens of one answer, reasoning included.",
        "model",
        "step_class",
        buckets=TOKENS,
    )
    length_ratio: Histogram = histogram(
        "turnout_output_length_ratio",
        "Output tokens of one answer over the median that was expected of it.",
        "model",
        "step_class",
        buckets=RATIOS,
    )
    length_coverage: Counter = counter(
        "turnout_output_length_coverage",
        "Answers by whether they stayed within the 0.9 quantile that was expected of them.",
        "model",
        "step_class",
        "covered",
    )
    drift: Counter = counter(
        "turnout_drift_alarms",
        "Times that a model was found to have changed at a class.",
        "kind",
        "model",
        "step_class",
        "direction",
    )
    overhead: Histogram = histogram(
        "turnout_decision_overhead_seconds",
        "From the last byte of the request to the first attempt.",
        buckets=OVERHEAD,
    )
    breaker: Gauge = gauge("turnout_breaker_state", "0 closed, 1 half open, 2 open.", "deployment")
    inflight: Gauge = gauge("turnout_inflight", "Attempts under way.", "deployment")
    limit: Gauge = gauge("turnout_concurrency_limit", "Attempts that may be under way at once.", "deployment")
    waiting: Gauge = gauge("turnout_queue_waiting", "Steps that wait for a deployment.", "deployment")
    queued: Counter = counter(
        "turnout_queue",
        "Attempts that found no room, by what became of them.",
        "deployment",
        "result",
    )
    retries_denied: Counter = counter(
        "turnout_fault_retries_denied",
        "Faults after which nobody else was tried, too many steps having faults.",
    )
    policy_loaded: Gauge = gauge(
        "turnout_policy_loaded_timestamp_seconds",
        "When the policy files were read.",
        "policy",
    )
    policy_info: Gauge = gauge(
        "turnout_policy_info", "1 for the version of each policy that serves now.", "policy", "version"
    )
    build_info: Gauge = gauge("turnout_build_info", "1 for the version of Turnout that runs.", "version")
    observer_errors: Counter = counter(
        "turnout_observer_errors",
        "Outcomes that a consumer failed to take.",
        "consumer",
    )
    journal_records: Counter = counter("turnout_journal_records", "Records written to the journal.")
    journal_dropped: Counter = counter("turnout_journal_dropped", "Records lost because the journal fell behind.")
    traced_steps: Counter = counter(
        "turnout_traced_steps", "Steps that were sampled, by what became of their spans.", "result"
    )
    journal_degraded: Gauge = gauge("turnout_journal_degraded", "1 while the journal cannot be written.")
    lessons_withheld: Counter = counter(
        "turnout_lessons_withheld",
        "Changes in what is known of steps that did not count: one key said too much.",
    )
    lessons_dropped: Counter = counter(
        "turnout_lessons_dropped",
        "Outcomes that came faster than they could be learned.",
    )
    beliefs_version: Gauge = gauge("turnout_beliefs_version", "Observations in the beliefs that decide now.")
    beliefs_holder: Gauge = gauge("turnout_beliefs_holder", "1 while this process learns for all that share the store.")
    store_errors: Counter = counter("turnout_store_errors", "Calls to the shared store that failed.")
    store_degraded: Gauge = gauge("turnout_store_degraded", "1 while the shared store does not serve.")
    store_waiting: Gauge = gauge("turnout_store_waiting", "Events that are not yet in the shared store.")
    store_lost: Counter = counter("turnout_store_lost", "Events that never came into the shared store.")
    config_errors: Counter = counter("turnout_config_errors", "Policy or catalog files refused on reload.")
