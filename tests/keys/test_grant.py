"""What a key may do narrows what its caller may ask for."""

from __future__ import annotations

import pytest

from router.errors import Forbidden
from router.hints import NONE, Hints
from router.keys import LOCAL, Grant
from router.policy import Policy

POLICIES: dict[str, Policy] = {name: object() for name in ("default", "fast", "apache-only")}  # type: ignore[misc]


@pytest.mark.parametrize(
    ("allowed", "names", "default"),
    [
        (set(), {"default", "fast", "apache-only"}, "default"),
        ({"default", "fast"}, {"default", "fast"}, "default"),
        ({"apache-only"}, {"apache-only"}, "apache-only"),
        ({"fast", "apache-only", "gone"}, {"fast", "apache-only"}, "apache-only"),
    ],
)
def test_a_key_has_its_policies(allowed: set[str], names: set[str], default: str) -> None:
    """`auto` is the server's default where the key may use it, else the first of its own by name."""
    found, auto = Grant("k", policies=frozenset(allowed)).allowed(POLICIES, "default")
    assert (set(found), auto) == (names, default)


def test_a_key_whose_policies_are_gone_may_do_nothing() -> None:
    """It does not fall back on what it was never given."""
    with pytest.raises(Forbidden, match="None of the policies"):
        Grant("k", policies=frozenset(("gone",))).allowed(POLICIES, "default")


def test_constraints_of_the_key_stand_beside_the_callers() -> None:
    """Each must hold; of caps the smallest; where the key has none the hints stay the same object."""
    said = Hints(models=(frozenset("a"),), license=(frozenset(("MIT",)),), max_cost=0.5)
    assert LOCAL.narrowed(said) is said and LOCAL.narrowed(NONE) is NONE
    key = Grant("k", models=frozenset("b"), license=frozenset(("use",)), max_cost=0.2)
    found = key.narrowed(said)
    assert found.models == (frozenset("a"), frozenset("b"))
    assert found.license == (frozenset(("MIT",)), frozenset(("use",)))
    assert (found.max_cost, key.narrowed(said, 0.1).max_cost, key.narrowed(NONE).max_cost) == (0.2, 0.1, 0.2)
    assert LOCAL.narrowed(said, 0.7) is said and LOCAL.narrowed(said, 0.3).max_cost == 0.3


def test_only_a_key_with_limits_is_looked_at() -> None:
    """Whatever the limit."""
    assert not LOCAL.limited and not Grant("k", max_cost=1.0, policies=frozenset("p")).limited
    for limit in ("per_minute", "concurrency", "usd_per_day", "usd_per_month"):
        assert Grant("k", **{limit: 1}).limited  # type: ignore[arg-type]
