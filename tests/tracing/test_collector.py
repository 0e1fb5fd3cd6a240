"""When spans are sent: the setting, and OpenTelemetry's own variables."""

from __future__ import annotations

import pytest

from router.errors import ConfigError
from router.settings import Settings
from router.tracing import collector

NAMED = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


@pytest.mark.parametrize(
    ("tracing", "environment", "wanted"),
    [
        ("auto", {}, False),
        ("auto", NAMED, True),
        ("auto", {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/v1/traces"}, True),
        ("auto", {"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
        ("auto", {**NAMED, "OTEL_SDK_DISABLED": "TRUE"}, False),
        ("auto", {**NAMED, "OTEL_SDK_DISABLED": "false"}, True),
        ("auto", {**NAMED, "OTEL_TRACES_EXPORTER": "none"}, False),
        ("auto", {**NAMED, "OTEL_TRACES_EXPORTER": "otlp"}, True),
        ("on", {}, True),
        ("off", NAMED, False),
    ],
)
def test_whether_spans_are_wanted(tracing: str, environment: dict[str, str], wanted: bool) -> None:
    """`auto` where a collector is named and nothing switches it off; the setting goes over all."""
    assert collector.wanted(Settings(tracing=tracing, environment=environment)) is wanted


def test_what_hinders() -> None:
    """Without the extra, or with a collector that is to be spoken to otherwise, none are sent, and why is said."""
    assert collector.hindrance(Settings(environment=NAMED), installed=True) is None
    assert "turnout[otel]" in str(collector.hindrance(Settings(environment=NAMED), installed=False))
    grpc = {**NAMED, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    assert "'grpc'" in str(collector.hindrance(Settings(environment=grpc), installed=True))
    http = {**grpc, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}
    assert collector.hindrance(Settings(environment=http), installed=True) is None


def test_who_insists_is_told_at_the_start() -> None:
    """The setting `on` and no way to do it is a mistake in the configuration."""
    with pytest.raises(ConfigError, match=r"TURNOUT_TRACING.*turnout\[otel\]"):
        collector.hindrance(Settings(tracing="on"), installed=False)
