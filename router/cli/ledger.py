"""Records of the journal for people: steps as rows, and one step with all that is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import Console

from router.cli import show
from router.journal import OutcomeRecord, Record, VerdictRecord
from router.outcome import Attempt

RIGHT = ("P", "out", "cost USD", "secs")
COLUMNS = ("ended", "decision", "class", "tried", "result", *RIGHT, "verdict")
STYLES = {"accepted": "green", "rejected": "yellow", "error": "red", "disconnected": "dim"}


class Ledger:
    """Prints records as they come, the head of the table once."""

    def __init__(self, console: Console) -> None:
        self._console, self._headed = console, False

    def add(self, records: Sequence[Record]) -> None:
        """Steps with the verdicts that came along; verdicts on other steps are rows of their own."""
        if not records:
            return
        said: dict[str, list[VerdictRecord]] = {}
        for r in records:
            if isinstance(r, VerdictRecord):
                said.setdefault(r.decision_id, []).append(r)
        table = show.empty_table(self._console, "", *COLUMNS, right=RIGHT, prose=("tried", "verdict"))
        table.title, table.show_header = None, not self._headed
        for r in records:
            if isinstance(r, OutcomeRecord):
                table.add_row(*_row(r, said.pop(r.decision_id, [])), style=STYLES.get(r.result))
        for late in (v for verdicts in said.values() for v in verdicts):
            table.add_row(_clock(late.at), late.decision_id, "", "", "", *("" for _ in RIGHT), _said(late))
        self._console.print(table)
        self._headed = True


def _row(r: OutcomeRecord, verdicts: Sequence[VerdictRecord]) -> tuple[str, ...]:
    return (
        _clock(r.at),
        r.decision_id,
        r.step_class,
        " then ".join(f"{a.arm}{_fate(a)}" for a in r.attempts) or "-",
        r.result if r.error is None else r.error,
        f"{r.chosen.p:.3f}" if r.chosen is not None else "",
        str(sum(a.output_tokens for a in r.attempts)),
        f"{r.cost_usd:.6f}",
        f"{r.seconds:.1f}",
        ", ".join(map(_said, verdicts)),
    )


def _fate(a: Attempt) -> str:
    """What became of it, where it was not the answer."""
    if a.fault is not None:
        return f" ({a.fault})"
    return "" if a.accepted else f" ({', '.join(c.name for c in a.checks if not c.passed)} failed)"


def _said(v: VerdictRecord) -> str:
    word = {1.0: "right", 0.0: "wrong"}.get(v.success, f"{v.success:g}")
    return f"{word} ({v.source})"


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%m-%d %H:%M:%S")


def detailed(console: Console, records: Sequence[Record]) -> None:
    """One step: what was asked, believed, chosen and done, and what was said of it."""
    for r in records:
        if isinstance(r, OutcomeRecord):
            _step(console, r)
    verdicts = [r for r in records if isinstance(r, VerdictRecord)]
    if verdicts:
        table = show.empty_table(console, "Verdicts", "at", "verdict", "reason", prose=("reason",))
        for v in verdicts:
            table.add_row(_clock(v.at), _said(v), v.reason or "")
        console.print(table)


def _step(console: Console, r: OutcomeRecord) -> None:
    version = f" ({r.policy_version})" if r.policy_version else ""
    show.say(console, f"{r.decision_id}  {_clock(r.at)}  {r.result}, status {r.status}", style="bold")
    show.say(console, f"class {r.step_class}, policy {r.policy or 'none'}{version}, beliefs {r.beliefs_version}")
    if r.run_id or r.step_id:
        show.say(console, f"run {r.run_id or '-'}, step {r.step_id or '-'}{', asked for again' if r.again else ''}")
    if r.hints:
        show.say(console, "hints: " + ", ".join(f"{name}={value}" for name, value in r.hints.items()))
    spent = f"${r.cost_usd:.6f} in {r.seconds:.2f} s, {r.overhead_s * 1e3:.2f} ms of it to decide"
    if r.chosen is None:
        show.say(console, f"No plan was made: {r.error or r.result}. {spent}")
    else:
        plan = f"P {r.chosen.p:.3f}, ${r.chosen.cost:.6f}, {r.chosen.seconds:.1f} s expected"
        show.say(console, f"chosen: {' then '.join(r.chosen.arms)}: {plan} ({r.why}; propensity {r.propensity:g})")
        if r.drawn is not None:
            show.say(console, f"explores: the run's draw was {r.drawn.arm or 'the policy as it is'}, P {r.drawn.p:g}")
        show.say(console, f"spent: {spent}")
    _offers(console, r)
    _plans(console, r)
    _attempts(console, r)
    if r.gates:
        shut = (f"{g.arm}{f' at {g.deployment}' if g.deployment else ''}: {g.kind}" for g in r.gates)
        show.say(console, f"gates: {', '.join(shut)}")
    if r.text is not None:
        show.say(console, f"text: {r.text}")


def _offers(console: Console, r: OutcomeRecord) -> None:
    right = ("P", "cost USD", "secs", "q50-q90", "tok/s")
    table = show.empty_table(console, "What was believed of each arm", "arm", "deployment", *right, right=right)
    for o in r.offers:
        tokens = f"{o.output_q50:.0f}-{o.output_q90:.0f}"
        table.add_row(
            o.arm, o.deployment, f"{o.p:.3f}", f"{o.cost:.6f}", f"{o.seconds:.1f}", tokens, f"{o.tokens_per_s:.0f}"
        )
    if r.offers:
        console.print(table)


def _plans(console: Console, r: OutcomeRecord) -> None:
    right = ("P", "cost USD", "secs")
    table = show.empty_table(console, f"Frontier (of {r.considered} plans)", "plan", *right, right=right)
    for p in r.plans or ():
        table.add_row(" then ".join(p.arms), f"{p.p:.3f}", f"{p.cost:.6f}", f"{p.seconds:.1f}")
    if r.plans:
        console.print(table)


def _attempts(console: Console, r: OutcomeRecord) -> None:
    right = ("in", "out", "cost USD", "secs")
    table = show.empty_table(
        console, "Attempts", "arm", "deployment", *right, "what came", right=right, prose=("what came",)
    )
    for a in r.attempts:
        came = a.fault or _fate(a).strip(" ()") or a.finish_reason or "an answer"
        numbers = (str(a.input_tokens), str(a.output_tokens), f"{a.cost_usd:.6f}", f"{a.seconds:.2f}")
        table.add_row(a.arm, a.deployment, *numbers, came)
    if r.attempts:
        console.print(table)
