"""Where arms and models stand in arrays."""

from __future__ import annotations

from router.beliefs.places import keys, numbers, places, siblings

ARMS, MODELS = ("m/off", "m/on", "n/off"), ("m", "m", "n")


def test_places() -> None:
    """Arms by name, models numbered as they appear, and which arms share one."""
    assert places(ARMS) == {"m/off": 0, "m/on": 1, "n/off": 2}
    assert numbers(("b", "a", "b")) == (0, 1, 0)
    assert [found.tolist() for found in siblings(MODELS)] == [[0, 1], [0, 1], [2]]


def test_keys() -> None:
    """All arms share rows of weights, and each has its own; words have one for a model, whatever its mode."""
    found = keys(ARMS, MODELS, "code")
    assert found.facts[1] == (("all", ""), ("arm", "m/on"), ("class", "code"), ("both", "m/on code"))
    assert found.words[0] == found.words[1] == (("all", ""), ("model", "m"))
