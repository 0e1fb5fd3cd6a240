"""A journal as one page for people who decide: what was spent, what succeeded, whether what was foretold came. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from html import escape

from router.journal import StepRecord
from router.learning.chart import Chart, Point, drawn
from router.learning.tune import wilson
from router.learning.weighing import success

BINS = 10
WINDOWS = 20
"""Parts of the time, each with as many steps."""
FEWEST = 10
"""Steps that a point stands for, at least."""
STYLE = """
:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:1000px;margin:2rem auto;padding:0 1rem}
h1{margin-bottom:0}.sub{opacity:.7;margin-top:0}.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(400px,1fr));gap:1rem}
figure{margin:0}figcaption{font-weight:600}svg{width:100%;height:auto}svg text{font-size:11px;fill:currentColor}
circle{fill:#2a7de1}.line,.bar,.ideal,.axis{fill:none;stroke:#2a7de1;stroke-width:1.5}.axis{stroke:currentColor;opacity:.4}
.ideal{stroke:#c60;stroke-dasharray:5 4}.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;margin:1rem 0}
th,td{padding:.3rem .6rem;text-align:right;border-bottom:1px solid #8884}th:first-child,td:first-child{text-align:left}
"""


class Summary:
    """What a page shows, gathered step by step: a few numbers for each."""

    def __init__(self) -> None:
        self.steps: list[tuple[float, str, str, float | None, float, float, int]] = []
        """Time, policy, class, success, USD, seconds, attempts."""
        self.foretold: list[tuple[float, float]] = []
        """P(success) of the chosen plan, and what came."""
        self.firsts: dict[str, list[tuple[float, float]]] = {}
        """Arm → USD and success of first attempts that were the only ones."""
        self.covered: dict[str, list[bool]] = {}
        """Class → whether answers stayed within their q90."""

    def add(self, record: StepRecord) -> None:
        if record.chosen is None:
            return
        came = success(record)
        tried = len({a.position for a in record.attempts})
        self.steps.append((record.at, record.policy, record.step_class, came, record.cost_usd, record.seconds, tried))
        if came is not None and record.attempts:
            self.foretold.append((record.chosen.p, came))
            if tried == 1 and not record.again:
                self.firsts.setdefault(record.attempts[0].arm, []).append((record.cost_usd, came))
        expected = {o.arm: o.output_q90 for o in record.offers}
        for a in record.attempts:
            if a.answered and a.output_tokens and not a.estimated and a.finish_reason != "length" and a.arm in expected:
                self.covered.setdefault(record.step_class, []).append(a.output_tokens <= expected[a.arm])


def page(records: Iterable[StepRecord]) -> str:
    """The page as HTML, its styles and pictures in it; it loads nothing and runs nothing."""
    found = Summary()
    for record in records:
        found.add(record)
    charts = [_frontier(found), _calibration(found), _coverage(found), _retries(found), _over_time(found)]
    times = [at for at, *_ in found.steps]
    span = (
        " to ".join(time.strftime("%Y-%m-%d %H:%M", time.localtime(t)) for t in (min(times), max(times)))
        if times
        else ""
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Turnout report</title><style>{STYLE}</style><h1>Turnout report</h1>"
        f'<p class="sub">{len(found.steps):,} steps, {escape(span)}</p>{_table(found)}'
        f'<div class="charts">{"".join(drawn(c) for c in charts)}</div>'
        "<p>Success is what callers and judges said of answers; errors are failures; what nobody judged is left out."
        " Bars are 95% intervals (Wilson).</p></html>\n"
    )


def _table(found: Summary) -> str:
    head = ("policy and class", "steps", "judged", "success %", "USD", "USD per success", "seconds", "attempts")
    rows = []
    for key in sorted({(policy, name) for _, policy, name, *_ in found.steps}):
        own = [s for s in found.steps if (s[1], s[2]) == key]
        judged = [s[3] for s in own if s[3] is not None]
        cost, rate = sum(s[4] for s in own), sum(judged) / len(judged) if judged else None
        each = f"{cost / len(own) / rate:.6f}" if rate else "-"
        cells = (
            f"{key[0]}, {key[1]}", f"{len(own):,}", f"{len(judged):,}", "-" if rate is None else f"{rate * 100:.1f}",
            f"{cost:.4f}", each, f"{sum(s[5] for s in own) / len(own):.2f}", f"{sum(s[6] for s in own) / len(own):.2f}",
        )  # fmt: skip
        rows.append("".join(f"<td>{escape(cell)}</td>" for cell in cells))
    header = "".join(f"<th>{cell}</th>" for cell in head)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{header}</tr>{body}</table></div>'


def _share(x: float, said: Sequence[float], label: str = "") -> Point:
    return Point(x, sum(said) / len(said), *wilson(sum(said), len(said)), label)


def _frontier(found: Summary) -> Chart:
    points = [
        _share(sum(cost for cost, _ in own) / len(own), [came for _, came in own], arm)
        for arm, own in sorted(found.firsts.items())
        if len(own) >= FEWEST
    ]
    return Chart("Cost and success by arm, steps of one attempt", "USD a step", "success", points, share=True)


def _calibration(found: Summary) -> Chart:
    points = []
    for i in range(BINS):
        own = [(p, came) for p, came in found.foretold if min(BINS - 1, int(p * BINS)) == i]
        if len(own) >= FEWEST:
            points.append(_share(sum(p for p, _ in own) / len(own), [came for _, came in own]))
    return Chart(
        "Calibration: foretold and come", "P(success) foretold", "success", points, ideal=((0, 0), (1, 1)), share=True
    )


def _coverage(found: Summary) -> Chart:
    names = [name for name, own in sorted(found.covered.items()) if len(own) >= FEWEST]
    points = [_share(float(i), found.covered[name], name) for i, name in enumerate(names)]
    ideal = ((-0.3, 0.9), (len(names) - 0.7, 0.9)) if names else ()
    return Chart("Answers within their expected q90", "class", "share", points, ideal=ideal, x_format="", share=True)


def _retries(found: Summary) -> Chart:
    """Of all judged steps, those that were right after at most so many attempts."""
    judged = [(tried, came) for _, _, _, came, _, _, tried in found.steps if came is not None and tried]
    most = max((tried for tried, _ in judged), default=0)
    points = [
        _share(float(k), [came if tried <= k else 0.0 for tried, came in judged], str(k)) for k in range(1, most + 1)
    ]
    return Chart(
        "Right within so many attempts", "attempts", "share of steps", points, line=True, x_format="", share=True
    )


def _over_time(found: Summary) -> Chart:
    steps, points = sorted(found.steps, key=lambda s: s[0]), []
    size = max(FEWEST, -(-len(steps) // WINDOWS))
    for start in range(0, len(steps), size):
        own = steps[start : start + size]
        judged = [s[3] for s in own if s[3] is not None]
        if judged and sum(judged):
            each = sum(s[4] for s in own) / len(own) / (sum(judged) / len(judged))
            points.append(Point((own[0][0] - steps[0][0]) / 3600.0, each))
    return Chart("Cost per success over time", "hours", "USD per success", points, line=True)
