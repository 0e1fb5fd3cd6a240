"""Draws docs/frontier.png: every plan for one code step by expected cost and P(success), from the shipped files.

.venv/bin/python scripts/frontier.py
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.text import Text

from router import catalog, plan, policy, terms
from router.beliefs import Beliefs
from router.hints import Hints
from router.plan import Decision, Plan, Situation
from router.step import Facts

ROOT = Path(__file__).resolve().parent.parent
NAMES = {"N": "Nemotron 3 Super (N)", "Q122": "Qwen 3.5 122B (Q122)", "Q397": "Qwen 3.5 397B (Q397)"}
SHORT = {"nemotron-3-super": "N", "qwen3.5-122b": "Q122", "qwen3.5-397b": "Q397"}
COLOURS = {"N": "#4c9a2a", "Q122": "#5b6ee1", "Q397": "#8e44ad"}
ACCURACY = 0.85


def decided() -> Decision:
    """A code step of about 8,000 tokens whose answer the caller tests, with two retries."""
    models, rules = catalog.load(ROOT / "policies/models.yaml"), policy.load(ROOT / "policies/default.yaml")
    facts = Facts(input_bytes=28_000, code=0.6)
    hints = Hints(step="code", accuracy=ACCURACY, retries=2, verify="caller", thinking=frozenset({"on"}))
    wish = terms.resolve(terms.Target(rules), facts, hints)
    return plan.decide(facts, wish, Beliefs.prior(models), models, Situation())


def label(arms: tuple[str, ...]) -> str:
    return " > ".join(SHORT[arm.partition("/")[0]] for arm in arms)


def name(axes: Any, edge: Sequence[Plan], chosen: Plan) -> None:
    """Writes each plan's name above and left of its dot, where no plan can be, and a line from one to the other."""
    taken: list[Any] = []
    renderer = axes.figure.canvas.get_renderer()
    for p in edge:
        for up in range(10, 200, 2):
            text = axes.annotate(
                label(p.arms),
                (p.cost * 100, p.p_success),
                xytext=(-10, up),
                textcoords="offset points",
                ha="right",
                va="center",
                fontsize=8,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},  # over the line of what is required
                fontweight="bold" if p.arms == chosen.arms else "normal",
                arrowprops={"arrowstyle": "-", "color": "#999999", "linewidth": 0.6, "relpos": (1, 0.5), "shrinkB": 3},
            )
            text.update_positions(renderer)
            box = Text.get_window_extent(text, renderer).padded(3)  # the words' alone, without the line's
            if not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            text.remove()


def main() -> None:
    decision = decided()
    plans = [listed.plan for listed in plan.everything(decision)]
    figure, axes = plt.subplots(figsize=(8.4, 4.6), dpi=150)
    for p in plans:
        axes.plot(
            p.cost * 100,
            p.p_success,
            "o",
            color=COLOURS[label(p.arms[:1])],
            alpha=0.45,
            markersize=5,
            markeredgewidth=0,
        )
    edge = decision.frontier
    axes.step(
        [p.cost * 100 for p in edge], [p.p_success for p in edge], where="post", color="#444444", linewidth=1, zorder=0
    )
    axes.set_xlim(left=0)
    axes.set_ylim(0.58, 1.0)
    name(axes, edge, decision.chosen)
    chosen = decision.chosen
    axes.plot(
        chosen.cost * 100, chosen.p_success, "o", markersize=13, fillstyle="none", color="#c0392b", markeredgewidth=2
    )
    axes.axhline(ACCURACY, color="#c0392b", linewidth=0.8, linestyle="--")
    axes.text(axes.get_xlim()[1], ACCURACY + 0.003, f"required: {ACCURACY:g} ", color="#c0392b", fontsize=8, ha="right")
    for first, colour in COLOURS.items():
        axes.plot([], [], "o", color=colour, label=f"starts with {NAMES[first]}")
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    axes.set_xlabel("expected cost of the step, US cents")
    axes.set_ylabel("P(success)")
    axes.set_title(
        f"{len(plans)} plans for one code step, thinking on; the cheapest that meets {ACCURACY:g} is chosen",
        fontsize=10,
        loc="left",
    )
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(ROOT / "docs/frontier.png")


if __name__ == "__main__":
    main()
