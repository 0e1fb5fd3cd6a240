"""Recording rules and alerts: right in form, right in what they say, and of metrics that exist."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml

from router.families import Families
from scripts.live import ROOT
from tests.stack.conftest import Ask, rules

pytestmark = pytest.mark.timeout(150)
DEPLOY = ROOT / "deploy" / "prometheus"
ALL = [rule for path in rules() for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]
RECORDED = {rule["record"]: rule["expr"] for rule in ALL if "record" in rule}
ALERTS = {rule["alert"]: rule["expr"] for rule in ALL if "alert" in rule}


def used(expression: str) -> set[str]:
    """The metrics and recorded series that an expression names."""
    plain = re.sub(r'"[^"]*"', "", expression)
    return set(re.findall(r"\b(?:turnout[_:][a-z0-9_:]+|gen_ai_\w+|process_\w+)", plain))


def named() -> dict[str, set[str]]:
    """Each metric, and the names that a scrape brings of it."""
    ends = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}
    return {f.name: {f.name + end for end in ends.get(f.type, ("",))} for f in Families().registry.collect()}


def known() -> set[str]:
    """Every name that a scrape or a rule brings."""
    return set(RECORDED).union(*named().values())


def test_promtool_finds_nothing_wrong(promtool: str) -> None:
    """With the rules, nor with the configuration of the shipped stack."""
    subprocess.run([promtool, "check", "rules", *map(str, rules())], check=True, capture_output=True, timeout=60)
    config = ["check", "config", "--syntax-only", str(DEPLOY / "prometheus.yml")]
    subprocess.run([promtool, *config], check=True, capture_output=True, timeout=60)


def test_each_alert_fires_on_what_it_is_for(promtool: str) -> None:
    """As deploy/prometheus/tests says, which leaves no alert out."""
    told = (DEPLOY / "tests" / "alerts.yml").read_text()
    assert [name for name in ALERTS if name not in told] == []
    done = subprocess.run(
        [promtool, "test", "rules", "alerts.yml"], cwd=DEPLOY / "tests", capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_name_only_metrics_that_exist() -> None:
    """A misspelled metric is silence, not an error."""
    assert {name for rule in ALL for name in used(rule["expr"])} - known() == set()


@pytest.mark.parametrize("name", RECORDED)
def test_each_recorded_series_has_data(ask: Ask, name: str) -> None:
    """A real Prometheus records it from a real server at work, as finite numbers."""
    found = ask(name)
    assert found and all(abs(float(s["value"][1])) < 1e9 for s in found), RECORDED[name]


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_looks_at_series_that_exist(ask: Ask, name: str) -> None:
    """Its expression without the bounds has data: it is silent because all is well, not because nothing is there."""
    for part in re.findall(r"[\w:]+(?:\{[^}]*\})?", ALERTS[name]):
        if part.split("{")[0] in known() | {"up"}:
            assert ask(part), part


def test_nothing_is_wrong_with_a_demo(ask: Ask) -> None:
    """No alert fires in the first minutes but for the errors that are played on purpose."""
    firing = {s["metric"]["alertname"] for s in ask('ALERTS{alertstate="firing"}')}
    assert firing <= {"TurnoutFastBurn"}
