"""The truth behind the simulated models: solved abilities, correlation, lengths, speed."""

from __future__ import annotations

import math
import statistics

import pytest

from router.catalog import Catalog
from router.simulate import world
from router.simulate.world import Step, World, pace

N, Q = "nemotron-3-super/on", "qwen3.5-397b/on"
STEPS = [Step(f"code-{i:05d}", "code") for i in range(4_000)]


@pytest.mark.parametrize(("p", "mu"), [(0.6047, 0.6592), (0.73, 1.5254), (0.764, 1.7926)])
def test_mean_logit_is_solved_so_that_the_marginal_is_the_score(p: float, mu: float) -> None:
    """The three reference abilities at sigma 1.5 and tau 1.0, and back to the marginal."""
    assert world.logit_of(p) == pytest.approx(mu, abs=5e-4)
    assert world.marginal(world.logit_of(p)) == pytest.approx(p, abs=1e-9)


def test_success_has_the_marginal_that_score_and_offset_say(catalog: Catalog) -> None:
    """Over many steps the share of successes is that of the catalog's score moved by the hidden offset."""
    truth, arm = World(catalog, 7), catalog.arm[N]
    expected = world.marginal(world.logit_of(0.6047) + world.OFFSETS["nemotron-3-super"]["code"])
    assert statistics.fmean(truth.right(arm, s, 1) for s in STEPS) == pytest.approx(expected, abs=0.025)
    assert expected != pytest.approx(0.6047, abs=0.01)


def test_retries_are_correlated_within_a_model_more_than_across_models(catalog: Catalog) -> None:
    """After a failure a retry succeeds far less often than a first attempt; the other model's chance falls less."""
    truth, n, q = World(catalog, 7), catalog.arm[N], catalog.arm[Q]
    failed = [s for s in STEPS if not truth.right(n, s, 1)]
    first = {a: statistics.fmean(truth.right(a, s, 1) for s in STEPS) for a in (n, q)}
    same = statistics.fmean(truth.right(n, s, 2) for s in failed)
    other = statistics.fmean(truth.right(q, s, 1) for s in failed)
    assert same < first[n] - 0.15
    assert other < first[q] - 0.08
    assert other > same + 0.15
    assert same / first[n] < other / first[q]


def test_draws_hold_in_any_order_and_change_with_the_seed(catalog: Catalog) -> None:
    """Success, form and length are functions of (seed, step, arm, attempt) alone."""
    arm, one, again, else_ = catalog.arm[N], World(catalog, 7), World(catalog, 7), World(catalog, 8)
    forward = [(one.right(arm, s, 1), one.form(arm, s, 1), one.length(arm, s, 2)) for s in STEPS[:300]]
    backward = [(again.right(arm, s, 1), again.form(arm, s, 1), again.length(arm, s, 2)) for s in STEPS[:300][::-1]]
    assert forward == backward[::-1]
    assert forward != [(else_.right(arm, s, 1), else_.form(arm, s, 1), else_.length(arm, s, 2)) for s in STEPS[:300]]


def test_thinking_helps_and_costs_tokens(catalog: Catalog) -> None:
    """Thinking on is abler than low, low than off; off writes no reasoning tokens."""
    truth = World(catalog, 7)
    on, low, off = (catalog.arm[f"nemotron-3-super/{m}"] for m in ("on", "low", "off"))
    for step_class in world.THOUGHT:
        if step_class != "vision":
            assert truth.ability(on, step_class) > truth.ability(low, step_class) > truth.ability(off, step_class)
    step = Step("hard-1", "hard")
    assert truth.length(off, step, 1).reasoning == 0
    assert truth.length(on, step, 1).reasoning > truth.length(low, step, 1).reasoning > 0


def test_every_class_of_the_tables_has_a_truth_for_every_shipped_model(catalog: Catalog) -> None:
    """For each class a model has a hidden offset where it has a score, and a stated truth where it has none."""
    for model in catalog.models.values():
        for step_class in world.VISIBLE:
            benchmark = catalog.classes.get(step_class)
            table = world.OFFSETS if benchmark and model.score(benchmark) else world.UNSCORED
            assert step_class in table[model.name], (model.name, step_class)


def test_models_and_classes_without_a_table_get_a_truth_of_their_own(catalog: Catalog) -> None:
    """An unknown model or class is drawn from its name, whatever the seed, and stays plausible."""
    model = catalog.models["qwen3.5-122b"].model_copy(update={"name": "another"})
    other = Catalog.model_construct(**{**dict(catalog), "models": {"another": model}})
    scored = [World(other, seed).ability(other.arm["another/on"], "code") for seed in (1, 2)]
    unscored = World(other, 1).ability(other.arm["another/on"], "gardening")
    assert scored[0] == scored[1] != world.logit_of(0.73)
    assert 0.02 < world.marginal(unscored) < 0.98


def test_lengths_are_log_normal_around_the_class(catalog: Catalog) -> None:
    """The median is the class's times the model's verbosity, long outputs reach 20k, retries are alike."""
    truth, arm = World(catalog, 7), catalog.arm[N]
    steps = [Step(f"long_output-{i}", "long_output") for i in range(800)]
    lengths = [truth.length(arm, s, 1).visible for s in steps]
    median = world.VISIBLE["long_output"] * world.VERBOSITY["nemotron-3-super"]
    assert statistics.median(lengths) == pytest.approx(median, rel=0.1)
    assert statistics.quantiles(lengths, n=10)[-1] > 20_000
    second = [truth.length(arm, s, 2).visible for s in steps]
    assert statistics.correlation([math.log(x) for x in lengths], [math.log(x) for x in second]) > 0.8


def test_speed_is_the_catalogs_at_that_length(catalog: Catalog) -> None:
    """The ordinary rate up to 2k tokens and the long one at 64k; reading the prompt takes time of its own."""
    model = catalog.models["nemotron-3-super"]
    deployment = model.deployments[0].model_copy(update={"runtime": "blackwell-nvfp4"})
    near, far = model.tokens_per_s(deployment)
    assert pace(model, deployment, 0, 1_000).tokens_per_s == near
    assert pace(model, deployment, 0, 64_000).tokens_per_s == pytest.approx(far)
    assert near < pace(model, deployment, 0, 12_000).tokens_per_s < far
    assert pace(model, deployment, 0, 100).seconds(942) == pytest.approx(0.5 + 942 / near)
    assert pace(model, deployment, 20_000, 100).first_token_s == pytest.approx(1.5)
