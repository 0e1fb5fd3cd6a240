"""Draws docs/frontier.png: every plan for one code step by expected cost and P(success), from the shipped files.

.venv/bin/python scripts/frontier.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt

from router import catalog, plan, policy, terms
from router.beliefs import Beliefs
from router.hints import Hints
from router.plan import Decision, Situation
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
    for number, p in enumerate(edge):
        mine = p.arms == decision.chosen.arms
        below = number % 2 == 0 or p.p_success < ACCURACY
        axes.annotate(
            label(p.arms),
            (p.cost * 100, p.p_success),
            xytext=(7, -12) if below else (-4, 9),
            textcoords="offset points",
            ha="left" if below else "right",
            fontsize=8,
            fontweight="bold" if mine else "normal",
        )
    chosen = decision.chosen
    axes.plot(
        chosen.cost * 100, chosen.p_success, "o", markersize=13, fillstyle="none", color="#c0392b", markeredgewidth=2
    )
    axes.axhline(ACCURACY, color="#c0392b", linewidth=0.8, linestyle="--")
    axes.text(axes.get_xlim()[1], ACCURACY + 0.003, f"required: {ACCURACY:g} ", color="#c0392b", fontsize=8, ha="right")
    for name, colour in COLOURS.items():
        axes.plot([], [], "o", color=colour, label=f"starts with {NAMES[name]}")
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    axes.set_xlabel("expected cost of the step, US cents")
    axes.set_ylabel("P(success)")
    axes.set_title(
        f"{len(plans)} plans for one code step; the cheapest that meets {ACCURACY:g} is chosen", fontsize=10, loc="left"
    )
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(ROOT / "docs/frontier.png")


if __name__ == "__main__":
    main()
