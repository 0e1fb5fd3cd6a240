"""The catalog that a trace is replayed on."""

from __future__ import annotations

import pytest

from router.catalog import Catalog, Prices
from router.errors import ConfigError
from router.learning.scene import Scene, Tariff, scene
from router.learning.trace import Step
from tests.learning.made import shipped, step, tried


def steps(*names: str) -> list[Step]:
    return [step(0, {name: tried(True) for name in names})]


def made(*names: str, catalog: Catalog | None = None) -> Scene:
    return scene(steps(*names), catalog or shipped(), {})


@pytest.mark.parametrize(
    ("name", "arm"),
    [
        ("nemotron-3-super/off", "nemotron-3-super/off"),
        ("nemotron-3-super", "nemotron-3-super/on"),  # the mode that its scores were measured in
        ("gpt-9 (diff)", "gpt-9 (diff)/off"),
        ("gpt-9/on", "gpt-9/on"),
        ("/on", "/on/off"),
        ("vendor/gpt-9", "vendor/gpt-9/off"),
    ],
)
def test_a_name_means_an_arm(name: str, arm: str) -> None:
    """One of the catalog's, a model of it in its scored mode, or a model that nobody knows."""
    found = made(name)
    assert found.names == {name: arm}
    assert [a.name for a in found.catalog.arms] == [arm]


def test_two_names_for_one_arm_are_refused() -> None:
    """Their outcomes would be told apart by nothing."""
    with pytest.raises(ConfigError, match="both mean the arm nemotron-3-super/on"):
        made("nemotron-3-super", "nemotron-3-super/on")


def test_only_arms_of_the_trace_are_planned_with() -> None:
    """A known model keeps its prices, scores and gates, in the trace's modes alone."""
    catalog = shipped()
    found = made("qwen3.5-122b/on", "qwen3.5-122b/off", "nemotron-3-super/on", catalog=catalog)
    assert {a.name for a in found.catalog.arms} == {"qwen3.5-122b/on", "qwen3.5-122b/off", "nemotron-3-super/on"}
    known, own = catalog.models["nemotron-3-super"], found.catalog.models["nemotron-3-super"]
    assert own.scores == known.scores and own.modalities == known.modalities and own.license == known.license
    assert [d.usd for d in own.deployments] == [d.usd for d in known.deployments]
    assert not found.priced
    assert {a.name for a in catalog.arms} > {a.name for a in found.catalog.arms}  # the catalog itself is as it was


def test_what_the_catalog_lacks_is_read_off_the_trace() -> None:
    """A model without a deployment, or without an entry, gets one whose prices follow later."""
    catalog = shipped()
    bare = catalog.models["qwen3.5-122b"].model_copy(update={"deployments": ()})
    catalog = Catalog.model_construct(**{**dict(catalog), "models": {**catalog.models, "qwen3.5-122b": bare}})
    found = made("qwen3.5-122b/on", "other", catalog=catalog)
    assert found.priced == {"qwen3.5-122b", "other"}
    priced = found.with_tariffs({"other": Tariff(Prices(input=2, output=3), 10.0)})
    (place,) = priced.catalog.models["other"].deployments
    assert (place.usd, priced.catalog.models["other"].speed.tokens_per_s) == (Prices(input=2, output=3), 10.0)
    assert [a.deployments for a in priced.catalog.arms] == [(m.deployments) for m in priced.catalog.models.values()]


def test_a_class_takes_its_policys_benchmark() -> None:
    """Unless the catalog has one for it by name."""
    catalog = shipped()
    found = scene(steps("other"), catalog, {"anatomy": "science", "code": "science", "odd": "chat"})
    assert found.catalog.classes["anatomy"] == catalog.classes["science"]
    assert found.catalog.classes["code"] == catalog.classes["code"]
