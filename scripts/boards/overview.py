"""What a success costs, who does the work, and whether callers are served."""

from __future__ import annotations

from scripts.boards.record import (
    ALONE,
    CHOSEN,
    EXPECTED,
    MODEL_COST,
    PER_HOUR,
    SERVER,
    Board,
    Panel,
    Query,
    Row,
    one,
    quantile,
    rate,
    ratio,
    share,
)

OVERVIEW = Board(
    "turnout-overview",
    "Turnout: Overview",
    "What a success costs, who does the work, and whether callers are served.",
    (
        Row(
            "Now",
            (
                Panel(
                    "Steps per second", "Requests that callers made.", one("turnout:steps:rate5m"), "reqps", "stat", 4
                ),
                Panel(
                    "Success",
                    "Of judged steps, weighed by the steps of each class, over an hour.",
                    one("sum(turnout:success:ratio1h * turnout:steps:increase1h) / sum(turnout:steps:increase1h)"),
                    "percentunit",
                    "stat",
                    4,
                ),
                Panel(
                    "Cost per success",
                    "USD paid for each step that succeeded, over an hour, failed attempts included.",
                    one("turnout:cost_per_success:usd1h"),
                    "currencyUSD",
                    "stat",
                    4,
                ),
                Panel(
                    "Errors",
                    "Share of requests answered with 5xx.",
                    one("turnout:errors:ratio_rate5m"),
                    "percentunit",
                    "stat",
                    4,
                    (0.005, 0.072),
                ),
                Panel(
                    "Overhead p99",
                    "What Turnout itself adds before the first attempt.",
                    one(quantile(0.99, "turnout_decision_overhead_seconds", window="5m")),
                    "s",
                    "stat",
                    4,
                    (0.002, 0.01),
                ),
                Panel(
                    "Alerts firing",
                    "See Prometheus for which.",
                    one('count(ALERTS{alertstate="firing", alertname=~"Turnout.*"}) or vector(0)'),
                    "short",
                    "stat",
                    4,
                    (1, 3),
                ),
            ),
        ),
        Row(
            "Cost per success",
            (
                Panel(
                    "By step class",
                    "USD for each success, over an hour, measured.",
                    one("turnout:class_cost_per_success:usd1h", "{{step_class}}"),
                    "currencyUSD",
                ),
                Panel(
                    "By model and step class",
                    "USD of a model's attempts over their successes, in classes where callers give verdicts.",
                    one(MODEL_COST, "{{model}} {{step_class}}"),
                    "currencyUSD",
                ),
                Panel(
                    "Against always one model (expected)",
                    "Expected USD for each success of the plans that were chosen, and of one attempt at each model "
                    "where it was allowed. Beliefs at each decision, not measurements: nobody asked the other models. "
                    "What is cheap here may still fail more often than a step's accuracy allows: see beside it.",
                    one(EXPECTED, "{{plan}}"),
                    "currencyUSD",
                ),
                Panel(
                    "Success, against always one model (expected)",
                    "Expected share of successes of the same plans, over the steps that each could take.",
                    one(ratio("turnout_expected_success_total", "turnout_expected_steps_total", "plan"), "{{plan}}"),
                    "percentunit",
                ),
                Panel(
                    "By class, against the cheapest model alone (expected)",
                    "Expected cost per success of the chosen plans over that of the cheapest model alone. Above 1: "
                    "what accuracy costs. Below 1: what is saved.",
                    one(f"({CHOSEN}) / on (step_class) min by (step_class) ({ALONE})", "{{step_class}}"),
                ),
                Panel(
                    "USD per hour",
                    "Paid at upstreams.",
                    PER_HOUR,
                    "currencyUSD",
                    "stack",
                ),
            ),
        ),
        Row(
            "Decisions and callers",
            (
                Panel(
                    "First model of the plan",
                    "Share of decisions.",
                    share("turnout_decisions_total", "model"),
                    "percentunit",
                    "stack",
                ),
                Panel(
                    "What decided",
                    "Share of decisions by reason.",
                    share("turnout_decisions_total", "reason"),
                    "percentunit",
                    "stack",
                ),
                Panel(
                    "Answers by status",
                    "What callers got. 499: they left.",
                    one(rate(f"{SERVER}_count", "status"), "{{status}}"),
                    "reqps",
                    "stack",
                ),
                Panel(
                    "SLO burn",
                    "How many times faster than it may be the month's allowance of 0.5% errors is used up. Alerts fire "
                    "above 6 and 14.4.",
                    tuple(Query(f"turnout:errors:ratio_rate{w} / 0.005", w) for w in ("5m", "1h", "6h")),
                    width=24,
                    limits=(6, 14.4),
                ),
            ),
        ),
    ),
    policies=True,
)
