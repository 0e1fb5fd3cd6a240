"""Whether what is predicted comes true."""

from __future__ import annotations

from scripts.boards.record import (
    ALONE,
    CHOSEN,
    RATE,
    RIGHT,
    SAID,
    SERVER,
    SPAN,
    Board,
    Panel,
    Query,
    Row,
    one,
    quantile,
    rate,
    ratio,
)

GOOD = 'turnout_calibration_outcomes_total{outcome="success"}'
ANY = "turnout_calibration_outcomes_total"
QUALITY = Board(
    "turnout-quality",
    "Turnout: Routing quality",
    "Whether what is predicted comes true, and what is done where it does not.",
    (
        Row(
            "Calibration",
            (
                Panel(
                    "Observed by predicted tenth",
                    "Share of first attempts that callers called right, by the tenth of their predicted P(success). "
                    "Each bar should end within its tenth.",
                    one(ratio(GOOD, ANY, "p_bin", "6h"), "{{p_bin}}"),
                    "percentunit",
                    "bars",
                ),
                Panel(
                    "Predicted and observed",
                    "Of first attempts that callers judged: the two lines of a model should lie on each other.",
                    (
                        Query(ratio("turnout_calibration_predicted_total", ANY, "model"), "{{model}} predicted"),
                        Query(ratio(GOOD, ANY, "model"), "{{model}} observed"),
                    ),
                    "percentunit",
                ),
                Panel(
                    "Calibration gap",
                    "Predicted less observed, over six hours. An alert fires beyond 10 points.",
                    one("turnout:calibration_gap:ratio6h", "{{model}}"),
                    "percentunit",
                ),
            ),
        ),
        Row(
            "Length",
            (
                Panel(
                    "Actual over expected",
                    "Output tokens over the median that was expected: quantiles over an hour. The median should be 1.",
                    tuple(
                        Query(quantile(q, "turnout_output_length_ratio", "model", SPAN), f"{{{{model}}}} {name}")
                        for q, name in ((0.5, "median"), (0.9, "p90"))
                    ),
                ),
                Panel(
                    "Coverage of the 0.9 quantile",
                    "Share of answers within it. An alert fires below 85% and above 95%.",
                    one("turnout:length_coverage:ratio6h", "{{model}}"),
                    "percentunit",
                ),
                Panel(
                    "Answers' length, p90",
                    "Output tokens, reasoning included.",
                    one(quantile(0.9, "turnout_output_tokens", "step_class", SPAN), "{{step_class}}"),
                ),
            ),
        ),
        Row(
            "What was asked, and what it took",
            (
                Panel(
                    "Accuracy unmet",
                    "Share of decisions for which no plan reached the accuracy.",
                    one(
                        ratio("turnout_accuracy_unmet_total", "turnout_decisions_total", "step_class"), "{{step_class}}"
                    ),
                    "percentunit",
                ),
                Panel(
                    "Retries for each step",
                    "Attempts after the first, by why: a check refused, a fault, the caller asked again.",
                    one(f"{rate('turnout_retries_total', 'reason')} / scalar({rate(f'{SERVER}_count')})", "{{reason}}"),
                    kind="stack",
                ),
                Panel(
                    "Retry budget burn",
                    "Share of steps that ended rejected with no retry left.",
                    one("turnout:retry_budget_exhausted:ratio1h", "{{step_class}}"),
                    "percentunit",
                ),
                Panel(
                    "Escalations",
                    "Later attempts for each second, by the model that they went to.",
                    one(rate('turnout_retries_total{reason!="fault"}', "model"), "{{model}}"),
                    "ops",
                    "stack",
                ),
                Panel(
                    "Regret (expected)",
                    "Expected cost per success of the chosen plans less that of the cheapest model alone, where that "
                    "is above zero: what accuracy and exploration cost, by what was believed. What hindsight knows, no "
                    "server does; turnout compare asks every model.",
                    one(f"clamp_min(({CHOSEN}) - on (step_class) min by (step_class) ({ALONE}), 0)", "{{step_class}}"),
                    "currencyUSD",
                ),
                Panel(
                    "Success by policy version",
                    "Of judged answers. The lines mark changes of policies.",
                    one(
                        f"({ratio(RIGHT, SAID, 'policy', RATE)}) * on (policy) group_right () "
                        "max by (policy, version) (turnout_policy_info)",
                        "{{policy}} {{version}}",
                    ),
                    "percentunit",
                ),
                Panel(
                    "Drift",
                    "Times in an hour that a model was found to have changed at a class.",
                    one(
                        f"sum by (kind, direction) (increase(turnout_drift_alarms_total[{SPAN}])) or vector(0)",
                        "{{kind}} {{direction}}",
                    ),
                    kind="points",
                    width=12,
                ),
                Panel(
                    "What is known",
                    "Observations in the beliefs that decide now.",
                    one("max(turnout_beliefs_version)", "observations"),
                    width=12,
                ),
            ),
        ),
    ),
    policies=True,
)
