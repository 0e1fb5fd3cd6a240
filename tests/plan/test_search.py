"""The search over all plans: caps, deadlines and the frontier, against arithmetic done one plan at a time."""

from __future__ import annotations

import math

import pytest
from msgspec.structs import replace

from router.beliefs.length import LogNormal, matched
from router.plan.search import Found, Space, mixture_quantile, search
from router.terms import Terms

SPACE = Space(
    arms=("a/off", "b/off"),
    models=(0, 1),
    logits=(0.5, 1.5),
    low=(0.5, 1.5),
    cost=(1.0, 5.0),
    time=(LogNormal(math.log(4), 0.3), LogNormal(math.log(10), 0.5)),
)
TERMS = Terms(policy="p", step_class="c", verify="caller", f=0.0, accuracy=0.8, deadline=600)


def rows(found: Found) -> dict[tuple[str, ...], int]:
    return {found.row(n).arms: n for n in range(len(found.cost))}


def test_a_row_adds_up() -> None:
    """Cost and time are sums over attempts, each weighted with the chance that it is made."""
    found = search(SPACE, TERMS, 3)
    row = found.row(rows(found)["a/off", "a/off", "b/off"])
    assert row.reach[0] == 1.0 and row.reach[0] > row.reach[1] > row.reach[2]
    assert row.cost == pytest.approx(row.reach[0] + row.reach[1] + 5 * row.reach[2])
    a, b = SPACE.seconds
    assert row.seconds == pytest.approx(a * (row.reach[0] + row.reach[1]) + b * row.reach[2])
    assert row.p == row.p_low and row.allowed


def test_cap_counts_every_attempt() -> None:
    """A plan must be affordable even if all its attempts are made."""
    found = search(SPACE, replace(TERMS, max_cost=6.5), 3)
    at = rows(found)
    allowed = {arms for arms, n in at.items() if found.row(n).allowed}
    assert allowed == {arms for arms in at if sum(1 if a == "a/off" else 5 for a in arms) <= 6.5}
    assert search(SPACE, replace(TERMS, max_cost=15.0), 3).allowed is None


@pytest.mark.parametrize("cap", [None, 6.5])
def test_no_arm_more_often_than_it_may(cap: float | None) -> None:
    """Plans that hold an arm too often are not allowed, with a cap or without; the others are as ever."""
    found = search(replace(SPACE, most=(1, 2)), replace(TERMS, max_cost=cap), 3)
    at = rows(found)
    allowed = {arms for arms, n in at.items() if found.row(n).allowed}
    right = {arms for arms in at if arms.count("a/off") <= 1 and arms.count("b/off") <= 2}
    assert allowed == {arms for arms in right if cap is None or sum(1 if a == "a/off" else 5 for a in arms) <= cap}
    assert found.row(found.best).arms in allowed


@pytest.mark.parametrize("deadline", [8.0, 12.0, 20.0, 30.0])
def test_late_plans(deadline: float) -> None:
    """A plan is late if less than 90% of the mixture over its number of attempts ends in time."""
    found = search(SPACE, replace(TERMS, deadline=deadline), 3, every=True)
    assert found.deadline_met
    times = dict(zip(SPACE.arms, SPACE.time, strict=True))
    for arms, number in rows(found).items():
        row = found.row(number)
        mean = variance = share = 0.0
        for i, arm in enumerate(arms):
            mean, variance = mean + times[arm].mean, variance + times[arm].variance
            stops = row.reach[i] - (row.reach[i + 1] if i + 1 < len(arms) else 0.0)
            share += stops * matched(mean, variance).cdf(deadline)
        assert row.allowed == (share >= 0.9)


def test_a_late_best_plan_is_replaced() -> None:
    """Where the best plan is late, the best of those on time is taken; looking at all plans finds the same."""
    free = search(SPACE, TERMS, 3)
    assert free.allowed is None
    best = set()
    for limit in (7.0, 9.0, 10.0, 11.0, 12.0, 14.0, 20.0):
        terms = replace(TERMS, deadline=limit)
        found, thorough = search(SPACE, terms, 3), search(SPACE, terms, 3, every=True)
        assert found.best == thorough.best and found.deadline_met == thorough.deadline_met
        assert thorough.row(thorough.best).allowed
        best.add(found.best)
    assert free.best in best and len(best) > 1


@pytest.mark.parametrize(("accuracy", "met"), [(None, True), (0.1, True), (0.99, False)])
def test_nothing_on_time(accuracy: float | None, met: bool) -> None:
    """Where all plans are late the fastest is taken, and both shortfalls are told."""
    found = search(SPACE, replace(TERMS, deadline=1.0, accuracy=accuracy), 3)
    assert found.row(found.best).arms == ("a/off",)
    assert (found.deadline_met, found.accuracy_met) == (False, met)


def test_late_and_capped() -> None:
    """The fastest is looked for among what is affordable."""
    space = replace(SPACE, cost=(5.0, 1.0))
    found = search(space, replace(TERMS, deadline=1.0, max_cost=2.0), 3)
    assert found.row(found.best).arms == ("b/off",)
    found = search(space, replace(TERMS, deadline=20.0, max_cost=2.0), 3)
    assert found.row(found.best).arms == ("b/off",) and found.deadline_met and not found.accuracy_met


def test_frontier() -> None:
    """The frontier holds exactly the allowed plans that no other allowed one beats in cost and P."""
    found = search(SPACE, replace(TERMS, max_cost=11.5), 3, every=True)
    every = [found.row(n) for n in range(len(found.cost)) if found.row(n).allowed]
    want = [r for r in every if not any(o.cost < r.cost and o.p > r.p - 1e-9 for o in every)]
    got = [found.row(n) for n in found.frontier()]
    assert {r.arms for r in got} == {r.arms for r in want}
    assert [r.cost for r in got] == sorted(r.cost for r in got)


def test_surest_and_cheapest_of_equals() -> None:
    """Beyond reach, the highest P is taken, and of equally sure plans the cheapest."""
    twins = replace(SPACE, models=(0, 0), logits=(1.0, 1.0), low=(1.0, 1.0), cost=(2.0, 1.0))
    found = search(twins, replace(TERMS, accuracy=0.999), 2)
    assert found.row(found.best).arms == ("b/off", "b/off") and not found.accuracy_met


def test_free_models() -> None:
    """Where nothing costs anything the surest plan is taken, and of equally sure ones the fastest."""
    free = replace(SPACE, cost=(0.0, 0.0))
    found = search(free, replace(TERMS, accuracy=None), 1)
    assert found.row(found.best).arms == ("b/off",)
    twins = replace(free, models=(0, 0), logits=(1.0, 1.0), low=(1.0, 1.0), time=SPACE.time[::-1])
    found = search(twins, replace(TERMS, accuracy=None), 1)
    assert found.row(found.best).arms == ("b/off",)


def test_confidence() -> None:
    """What meets the accuracy is the lower bound; what is expected is the mean."""
    found = search(replace(SPACE, low=(-0.5, 0.5)), replace(TERMS, accuracy=0.7), 2)
    row = found.row(found.best)
    assert row.p_low >= 0.7 > row.p_low - 0.2 and row.p > row.p_low + 0.05


def test_mixture_quantile() -> None:
    """The quantile of a mixture of equals is that of one, and of a mixture lies between its parts."""
    part, slow = LogNormal(1.0, 0.5), LogNormal(2.0, 0.5)
    assert mixture_quantile([(0.4, part), (0.6, part)], 0.9) == pytest.approx(part.quantile(1.2815515655))
    assert part.quantile(1.28) < mixture_quantile([(0.5, part), (0.5, slow)], 0.9) < slow.quantile(1.29)
