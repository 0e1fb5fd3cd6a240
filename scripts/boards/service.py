"""Turnout itself."""

from __future__ import annotations

from scripts.boards.record import RATE, SERVER, SPAN, Board, Panel, Query, Row, one, quantiles, rate

SERVICE = Board(
    "turnout-service",
    "Turnout: Service",
    "Turnout itself: what callers wait for, what is shed, and what it stands on.",
    (
        Row(
            "Callers",
            (
                Panel(
                    "Latency",
                    "Of whole steps.",
                    quantiles(SERVER, 0.5, 0.95, 0.99),
                    "s",
                    exemplars=True,
                ),
                Panel(
                    "First token",
                    "Of streamed steps, failed attempts before it included.",
                    quantiles("gen_ai_server_time_to_first_token_seconds", 0.5, 0.95),
                    "s",
                ),
                Panel(
                    "Overhead",
                    "What Turnout adds before the first attempt.",
                    quantiles("turnout_decision_overhead_seconds", 0.5, 0.99),
                    "s",
                ),
            ),
        ),
        Row(
            "Room",
            (
                Panel(
                    "Queue",
                    "Steps that wait for a deployment.",
                    one("sum by (deployment) (turnout_queue_waiting)", "{{deployment}}"),
                ),
                Panel(
                    "Queued and shed",
                    "Attempts for each second that found no room, by what became of them.",
                    one(f"{rate('turnout_queue_total', 'result')} or vector(0)", "{{result}}"),
                    "reqps",
                    "stack",
                ),
                Panel(
                    "Retries not made",
                    "Faults for each second after which nobody else was tried, too many steps having faults.",
                    one(rate("turnout_fault_retries_denied_total"), "denied"),
                    "reqps",
                ),
            ),
        ),
        Row(
            "State",
            (
                Panel(
                    "Store",
                    "1: it does not serve, and each server goes on with what it knows.",
                    one("max by (instance) (turnout_store_degraded)", "{{instance}}"),
                    limits=(1, 1),
                    top=1,
                ),
                Panel(
                    "Store errors and losses",
                    "For each second.",
                    (
                        Query(rate("turnout_store_errors_total"), "errors"),
                        Query(rate("turnout_store_lost_total"), "lost"),
                        Query("sum(turnout_store_waiting)", "waiting now"),
                    ),
                ),
                Panel(
                    "Journal",
                    "Records for each second, and those that were lost.",
                    (
                        Query(rate("turnout_journal_records_total"), "written"),
                        Query(rate("turnout_journal_dropped_total"), "lost"),
                        Query("max(turnout_journal_degraded)", "cannot be written"),
                    ),
                ),
                Panel(
                    "Learning and files",
                    "In an hour: outcomes that were not learned from, consumers that failed, files that were refused.",
                    (
                        Query(f"sum(increase(turnout_lessons_dropped_total[{SPAN}]))", "too fast to learn"),
                        Query(f"sum(increase(turnout_lessons_withheld_total[{SPAN}]))", "one key said too much"),
                        Query(f"sum(increase(turnout_observer_errors_total[{SPAN}])) or vector(0)", "consumers failed"),
                        Query(f"sum(increase(turnout_config_errors_total[{SPAN}]))", "files refused"),
                    ),
                ),
                Panel(
                    "Policies' age",
                    "Since each was read.",
                    one("time() - max by (policy) (turnout_policy_loaded_timestamp_seconds)", "{{policy}}"),
                    "s",
                ),
                Panel(
                    "Learns for all",
                    "1: this server folds the outcomes of all that share its store.",
                    one("max by (instance) (turnout_beliefs_holder)", "{{instance}}"),
                    top=1,
                ),
            ),
        ),
        Row(
            "Process",
            (
                Panel(
                    "Memory", "Resident.", one('process_resident_memory_bytes{job="turnout"}', "{{instance}}"), "bytes"
                ),
                Panel(
                    "Processor",
                    "Cores in use.",
                    one(f'rate(process_cpu_seconds_total{{job="turnout"}}[{RATE}])', "{{instance}}"),
                ),
                Panel(
                    "Open files",
                    "Share of those it may open.",
                    one('process_open_fds{job="turnout"} / process_max_fds{job="turnout"}', "{{instance}}"),
                    "percentunit",
                ),
                Panel(
                    "Versions",
                    "Servers by version.",
                    one("count by (version) (turnout_build_info)", "{{version}}"),
                    width=12,
                ),
                Panel(
                    "Running for",
                    "Since the start of each.",
                    one('time() - process_start_time_seconds{job="turnout"}', "{{instance}}"),
                    "s",
                    width=12,
                ),
            ),
        ),
    ),
)
