"""How fast and how well each deployment serves."""

from __future__ import annotations

from scripts.boards.record import CLIENT, PER_HOUR, PLACE, RATE, SPAN, Board, Panel, Row, one, quantile, rate

UPSTREAMS = Board(
    "turnout-upstreams",
    "Turnout: Upstreams",
    "How fast and how well each deployment serves, and what it costs.",
    (
        Row(
            "Speed",
            (
                Panel(
                    "Time to first token",
                    "Of streamed attempts.",
                    one(f"sum by (le) (increase(gen_ai_client_time_to_first_token_seconds_bucket[{RATE}]))", "{{le}}"),
                    "s",
                    "heat",
                    12,
                    exemplars=True,
                ),
                Panel(
                    "Tokens per second",
                    "Of streamed answers, after their first content.",
                    one(f"sum by (le) (increase(turnout_output_tokens_per_second_bucket[{RATE}]))", "{{le}}"),
                    "short",
                    "heat",
                    12,
                ),
                Panel(
                    "Median time to first token",
                    "By deployment, over an hour.",
                    one(quantile(0.5, "gen_ai_client_time_to_first_token_seconds", "model, deployment", SPAN), PLACE),
                    "s",
                ),
                Panel(
                    "Median tokens per second",
                    "By deployment, over an hour.",
                    one(quantile(0.5, "turnout_output_tokens_per_second", "model, deployment", SPAN), PLACE),
                ),
                Panel(
                    "Attempt, p95",
                    "To its end; a dot leads to its trace.",
                    one(quantile(0.95, CLIENT, "model, deployment"), PLACE),
                    "s",
                    exemplars=True,
                ),
            ),
        ),
        Row(
            "Health and load",
            (
                Panel(
                    "Breaker",
                    "0 closed, 1 trying again, 2 open: the deployment is left alone.",
                    one("max by (deployment) (turnout_breaker_state)", "{{deployment}}"),
                    limits=(1, 2),
                    top=2,
                ),
                Panel(
                    "In flight",
                    "Attempts under way.",
                    one("sum by (deployment) (turnout_inflight)", "{{deployment}}"),
                ),
                Panel(
                    "Room",
                    "Attempts that may be under way at once.",
                    one("sum by (deployment) (turnout_concurrency_limit)", "{{deployment}}"),
                ),
                Panel(
                    "Too many requests",
                    "429s for each second.",
                    one(rate(f'{CLIENT}_count{{error_type="rate_limited"}}', "model, deployment"), PLACE),
                    "reqps",
                ),
                Panel(
                    "Faults",
                    "For each second, by kind.",
                    one(
                        rate(f'{CLIENT}_count{{error_type!=""}}', "deployment, error_type"),
                        "{{deployment}} {{error_type}}",
                    ),
                    "reqps",
                    "stack",
                ),
                Panel(
                    "Attempts",
                    "For each second.",
                    one(rate(f"{CLIENT}_count", "model, deployment"), PLACE),
                    "reqps",
                    "stack",
                ),
            ),
        ),
        Row(
            "Cost",
            (
                Panel(
                    "USD per hour",
                    "By model.",
                    PER_HOUR,
                    "currencyUSD",
                    "stack",
                    12,
                ),
                Panel(
                    "Tokens per second paid for",
                    "In and out.",
                    one(
                        rate("gen_ai_client_token_usage_tokens_total", "model, token_type"), "{{model}} {{token_type}}"
                    ),
                    kind="stack",
                    width=12,
                ),
            ),
        ),
    ),
)
