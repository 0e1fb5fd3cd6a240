"""The Helm chart, rendered by Helm itself and held against the schemas of Kubernetes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from router.cli.serving import DRAIN_S
from router.settings import from_environment

NEEDED = "needs: uv pip install helm-python-sdk kubernetes-validate"
helm = pytest.importorskip("helm_python", reason=NEEDED)
kubernetes = pytest.importorskip("kubernetes_validate", reason=NEEDED)
CHART = Path(__file__).parents[2] / "deploy" / "helm" / "turnout"
LEAST: dict[str, Any] = {"secrets": {"keys": "turnout-keys"}}
ALL: dict[str, Any] = {
    "secrets": {"keys": "turnout-keys", "upstreams": "models", "store": "valkey"},
    "env": {"TURNOUT_JOURNAL": "store"},
    "workers": 2,
    "policies": {"models.yaml": "models: {}\n", "default.yaml": "retries: 1\n"},
    "metrics": {"podMonitor": {"enabled": True, "keySecret": "scrape"}},
    "autoscaling": {"enabled": True},
    "dashboards": {"enabled": True},
}
OWN = ("PodMonitor",)
"""Kinds of the Prometheus Operator, whose schema Kubernetes does not have."""


def rendered(values: dict[str, Any]) -> dict[str, Any]:
    """The manifests by kind; of several ConfigMaps the last."""
    return {document["kind"]: document for document in documents(values)}


def documents(values: dict[str, Any]) -> list[dict[str, Any]]:
    """All manifests."""
    with helm.Chart.load(CHART) as chart:
        found = chart.render(values=values, name="turnout")
    texts = found.values() if isinstance(found, dict) else [found] if isinstance(found, str) else found
    return [d for text in texts for d in yaml.safe_load_all(text if isinstance(text, str) else text["data"]) if d]


def test_each_dashboard_is_a_config_map() -> None:
    """Byte for byte, and small enough for one; Kubernetes takes at most a mebibyte."""
    maps = [d["data"] for d in documents(ALL) if d["kind"] == "ConfigMap" and "dashboard" in str(d["metadata"])]
    shipped = {path.name: path.read_text() for path in (CHART / "dashboards").glob("*.json")}
    assert {name: text for data in maps for name, text in data.items()} == shipped and len(shipped) == 4
    assert all(len(text) < 1_000_000 for text in shipped.values())


@pytest.mark.parametrize("values", [LEAST, ALL], ids=["least", "all"])
def test_kubernetes_takes_it(values: dict[str, Any]) -> None:
    """Every manifest fits the strict schema of its kind."""
    for document in documents(values):
        if document["kind"] not in OWN:
            kubernetes.validate(document, "1.30", strict=True)


def test_what_is_there() -> None:
    """What needs more than a bare cluster comes only when asked for."""
    least = {"Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service"}
    assert set(rendered(LEAST)) == least
    assert set(rendered(ALL)) >= least | {"ConfigMap", "HorizontalPodAutoscaler", "PodMonitor"}


def test_the_server_takes_its_settings() -> None:
    """Each variable that the chart sets is a setting, and the drain is longer than a scrape and fits in the grace."""
    pod = rendered(ALL)["Deployment"]["spec"]["template"]["spec"]
    env = {each["name"]: each.get("value", "redis://valkey:6379/0") for each in pod["containers"][0]["env"]}
    settings = from_environment(env)
    interval = rendered(ALL)["PodMonitor"]["spec"]["podMetricsEndpoints"][0]["interval"]
    assert settings.shutdown_delay > float(interval.removesuffix("s"))
    assert pod["terminationGracePeriodSeconds"] > settings.shutdown_delay + DRAIN_S


@pytest.mark.parametrize(
    "values",
    [{}, LEAST | {"replica": 3}, LEAST | {"workers": 0}, LEAST | {"policy": "../x"}, LEAST | {"env": {"a b": "x"}}],
    ids=["no keys", "unknown", "no worker", "no policy name", "no variable name"],
)
def test_a_wrong_value_is_refused(values: dict[str, Any]) -> None:
    """Before anything reaches a cluster."""
    with pytest.raises(helm.HelmError):
        rendered(values)
