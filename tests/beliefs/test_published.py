"""Abilities from published scores: strengths, modes and unknowns."""

from __future__ import annotations

from typing import Any

import pytest

from router.beliefs.latent import marginal, solve
from router.beliefs.published import Published, posterior
from router.beliefs.success import prior
from tests.plan.small import NEMOTRON, N, catalog, model

SCORE = {"benchmark": "bench", "percent": 60.0, "mode": "on", "source": "s", "date": "2026-01-01"}


def one(scores: list[dict[str, Any]], **changes: Any) -> Any:
    modes = {"on": {}, "low": {"logit_offset": -0.3}, "off": {"logit_offset": -0.8}}
    return prior(catalog({"m": model(None, (1, 1), scores=scores, thinking=modes)}, **changes))


def test_scored() -> None:
    """A mode with its own score takes it at the catalog's full strength."""
    found = one([SCORE], prior_strength=12).of("m/on", "task", 1.5, 1.0)
    assert (found.p, found.strength, found.source, found.benchmark) == (pytest.approx(0.6), 12, "scored", "bench")


def test_unconfirmed_counts_half() -> None:
    """A number that nobody reproduced is believed half as strongly, so its spread is wider."""
    sure = one([SCORE]).of("m/on", "task", 1.5, 1.0)
    found = one([{**SCORE, "confirmed": False}]).of("m/on", "task", 1.5, 1.0)
    assert (found.mu, found.strength, found.source) == (sure.mu, sure.strength / 2, "unconfirmed")
    assert found.sd > sure.sd


def test_offset() -> None:
    """A mode without a score has its sibling's ability, moved by the catalog's offset and weakly believed."""
    beliefs = one([SCORE], unscored_mode_strength=4)
    on, off = (beliefs.of(f"m/{mode}", "task", 1.5, 1.0) for mode in ("on", "off"))
    assert off.mu == pytest.approx(on.mu - 0.8)
    assert (off.strength, off.source) == (4, "offset")
    assert 0.4 < off.p < on.p


def test_confirmed_sibling_is_preferred() -> None:
    """Of two scored siblings the confirmed one lends its score."""
    doubtful = {**SCORE, "mode": "low", "percent": 90.0, "confirmed": False}
    off = one([doubtful, SCORE]).of("m/off", "task", 1.5, 1.0)
    assert off.mu == pytest.approx(solve(0.6, 1.5, 1.0) - 0.8)


def test_unconfirmed_sibling_limits_the_strength() -> None:
    """A mode is not believed more than the score it borrows."""
    found = one([{**SCORE, "confirmed": False}], prior_strength=4, unscored_mode_strength=4).of("m/off", "task", 0, 0)
    assert found.strength == 2


@pytest.mark.parametrize(("step_class", "scores"), [("task", []), ("other", [SCORE])])
def test_unknown(step_class: str, scores: list[dict[str, Any]]) -> None:
    """Without a score, or a benchmark for the class, the wide prior holds; modes still differ by their offsets."""
    beliefs = one(scores, unknown={"p": 0.45, "strength": 3})
    on, off = (beliefs.of(f"m/{mode}", step_class, 1.5, 1.0) for mode in ("on", "off"))
    assert (on.p, on.strength, on.source, on.benchmark) == (pytest.approx(0.45), 3, "unknown", None)
    assert off.mu == pytest.approx(on.mu - 0.8)


def test_unknown_is_not_the_siblings_score() -> None:
    """A model's blank is not filled from another model of its family."""
    beliefs = prior(catalog({"a": NEMOTRON, "b": model(None, (1, 1), family=NEMOTRON["family"])}))
    assert beliefs.of("b/off", "task", 1.5, 1.0).source == "unknown"


def test_confidence() -> None:
    """At 0.5 the posterior mean counts; at 0.9 a bound that turns 73% at strength 15 into some 56%."""
    found = posterior(Published(0.73, 15, "scored"), 1.5, 1.0)
    assert found.logit(0.5) == found.mu
    assert 0.54 < marginal(found.logit(0.9), 1.5, 1.0) < 0.60
    assert found.logit(0.1) == pytest.approx(2 * found.mu - found.logit(0.9))


def test_unknown_arm() -> None:
    """An arm that the catalog lacks is a mistake of the program."""
    with pytest.raises(KeyError):
        prior(catalog()).of("nobody/off", "task", 1.5, 1.0)
    assert prior(catalog()).of(N, "task", 1.5, 1.0).p == pytest.approx(0.6047)


def test_unknown_on_a_hard_benchmark() -> None:
    """A benchmark may have its own prior for the unscored, so that a blank there is no advantage."""
    hard = {"bench": {"title": "B", "measures": "a task", "unknown": {"p": 0.2, "strength": 2}}}
    found = one([], benchmarks=hard).of("m/on", "task", 1.5, 1.0)
    assert (found.p, found.strength, found.source) == (pytest.approx(0.2), 2, "unknown")
    assert one([SCORE], benchmarks=hard).of("m/on", "task", 1.5, 1.0).p == pytest.approx(0.6)
