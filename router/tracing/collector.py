"""Whether spans are sent, by the settings and by OpenTelemetry's own standard variables. Loads nothing of it.

The variables: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

from router.errors import ConfigError
from router.settings import PREFIX, Settings

SETTING = f"{PREFIX}TRACING"
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
SPOKEN = "http/protobuf"
MISSING = "the spans need OpenTelemetry, which comes with the extra: pip install 'turnout[otel]'"


def wanted(settings: Settings) -> bool:
    """Whether a collector is named, or the setting is `on`, and nothing switches spans off."""
    if settings.tracing != "auto":
        return settings.tracing == "on"
    given = settings.environment
    off = given.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    exporter = given.get("OTEL_TRACES_EXPORTER", "").strip() or "otlp"
    return not off and exporter == "otlp" and any(given.get(name, "").strip() for name in ENDPOINTS)


def hindrance(settings: Settings, installed: bool) -> str | None:
    """Why spans that are wanted cannot be sent. Raises ConfigError where the setting is `on`, and so insists."""
    given = settings.environment
    protocol = next((text for name in PROTOCOLS if (text := given.get(name, "").strip())), SPOKEN)
    reason = None if installed else MISSING
    if protocol != SPOKEN:
        reason = f"the collector is to be spoken to in {protocol[:32]!r}; Turnout speaks {SPOKEN} alone"
    if reason is not None and settings.tracing == "on":
        raise ConfigError(SETTING, None, f"is on, but {reason}")
    return reason
