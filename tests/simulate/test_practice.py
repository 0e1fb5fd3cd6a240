"""What is learned of the demo's traffic, and the same traffic played without sockets."""

from __future__ import annotations

import pytest

from router import policy
from router.beliefs import Beliefs
from router.simulate import practice
from router.simulate.children import scene
from router.simulate.workload import PROFILES, jobs
from tests.simulate.conftest import CATALOG

NAMES = ("nemotron-3-super", "qwen3.5-122b", "qwen3.5-397b")
MODELS = scene(CATALOG, {name: f"http://127.0.0.1:{9001 + i}/v1" for i, name in enumerate(NAMES)})
POLICY = policy.load(CATALOG.parent / "default.yaml")


def p(beliefs: Beliefs, arm: str, step_class: str) -> float:
    spread = beliefs.success.spread(step_class)
    return beliefs.success.of(arm, step_class, spread.sigma, spread.tau).p


def test_the_same_seed_learns_the_same() -> None:
    """Other seeds learn something else: of success, of lengths and of speeds."""
    one, same, other = (practice.learned(MODELS, POLICY, seed, 150) for seed in (3, 3, 4))
    assert one.version == same.version > 150
    for arm in one.success.arms:
        assert p(one, arm, "code") == p(same, arm, "code")
    assert p(one, "nemotron-3-super/on", "tool_use") != p(other, "nemotron-3-super/on", "tool_use")
    prior = Beliefs.prior(MODELS)
    for known in (one, other):
        assert known.length is not prior.length and known.speed is not prior.speed


def test_a_lane_is_played_with_beliefs_that_stay() -> None:
    """Every job once, paid for, and the same whenever it is played."""
    work = jobs(60, 7)
    done = practice.played(MODELS, POLICY, 7, work, None)
    assert done == practice.played(MODELS, POLICY, 7, work, Beliefs.prior(MODELS))
    assert len(done) == 60 and 30 < sum(d.success for d in done) < 60
    assert all(d.cost > 0 and d.seconds > 0 and d.attempts >= 1 and (d.loss == 0.0) == d.success for d in done)


@pytest.mark.parametrize("step_class", ["structured", "long_output"])
def test_checks_and_streams_are_played_too(step_class: str) -> None:
    """A format check rejects inside the server; a stream comes in pieces."""
    profile = next(x for x in PROFILES if x.step_class == step_class)
    work = [job for job in jobs(200, 5) if job.profile == profile]
    done = practice.played(MODELS, POLICY, 5, work, None)
    assert any(d.attempts > 1 for d in done) and any(d.success for d in done)
