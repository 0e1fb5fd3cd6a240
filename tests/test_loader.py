"""Heavy libraries, loaded on demand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from router import loader
from router.errors import ConfigError
from router.settings import Settings

EXPORTER = "opentelemetry.exporter.otlp.proto.http"
CODE = """
import os, socket, sys
from router import loader

def stay(*_, **__):
    raise SystemExit("reached out")

assert "litellm" not in sys.modules
socket.socket.connect = socket.getaddrinfo = stay
upstream = loader.litellm_upstream({})
litellm = sys.modules["litellm"]
quiet = litellm.suppress_debug_info and litellm.disable_aiohttp_trust_env
print(type(upstream).__name__, quiet, "FROM_DOTENV" in os.environ)
"""


def test_litellm_loads_quietly(tmp_path: Path) -> None:
    """Importing it reaches nobody, prints nothing, and reads no .env file from the working folder."""
    (tmp_path / ".env").write_text("FROM_DOTENV=1\n")
    done = subprocess.run([sys.executable, "-c", CODE], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("LiteLLMUpstream True False\n", "")


def test_without_a_collector_nothing_of_opentelemetry_is_loaded() -> None:
    """Nor is anything said: most servers have none."""
    code = """
import sys
from router import loader
from router.app import create_app
from router.settings import Settings
assert loader.tracer(Settings(), print) is None
create_app(Settings(journal="off"))
heavy = ("opentelemetry.sdk", "opentelemetry.exporter", "google.")
print(*sorted(m for m in sys.modules if m.startswith(heavy)), end="")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "") and "spans" not in done.stderr


@pytest.mark.parametrize("missing", ["opentelemetry.exporter.otlp.proto", EXPORTER])
def test_a_collector_without_the_extra(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, missing: str
) -> None:
    """The server serves, and says once why no spans are sent; only who insists does not get it to start. Many clusters
    set the variable in every container."""
    monkeypatch.delitem(sys.modules, EXPORTER, raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    named = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    assert loader.tracer(Settings(environment=named), print) is None
    assert [r.message for r in caplog.records if "turnout[otel]" in r.message and "TURNOUT_TRACING=off" in r.message]
    with pytest.raises(ConfigError, match="TURNOUT_TRACING"):
        loader.tracer(Settings(tracing="on"), print)
