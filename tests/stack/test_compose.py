"""The stack of containers, as Compose itself reads it. No engine runs here: what containers do is not tested."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from router import catalog
from scripts import simulated

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".venv" / "bin"


def config(*arguments: str) -> dict[str, Any]:
    """The services as the real parser of Docker Compose makes them of the file."""
    command = [str(BIN / "docker-compose"), "--profile", "simulated", "config", "--format", "json", *arguments]
    clean = {k: v for k, v in os.environ.items() if not k.endswith("_KEY_FILE")}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=50, env=clean)
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


STACK = config()
SERVICES: dict[str, dict[str, Any]] = STACK["services"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_may_do_little(name: str) -> None:
    """No root, no capability, nothing written outside of its volumes, no way to gain rights."""
    service = SERVICES[name]
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"].split(":")[0] not in ("", "0", "root") and not service.get("privileged")


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_is_watched_and_pinned(name: str) -> None:
    """Whatever goes on running has a check of its health, here or in the image; images name a release."""
    service = SERVICES[name]
    if service["image"] != "turnout:local":
        assert re.fullmatch(r"[\w/]+:v?\d+\.\d+\.\d+(-alpine)?", service["image"])
        assert service["healthcheck"]["test"]
    assert name == "keys" or not service.get("healthcheck", {}).get("disable")


def test_ports_are_open_to_this_machine_alone() -> None:
    """And those of models, agents and the store to nobody."""
    ports = [(name, p["published"], p["host_ip"]) for name, s in SERVICES.items() for p in s.get("ports", ())]
    assert {host for _, _, host in ports} == {"127.0.0.1"}
    assert {name for name, _, _ in ports} == {"turnout", "simulated", "prometheus", "grafana"}
    assert len({published for _, published, _ in ports}) == len(ports)
    assert STACK["networks"]["store"]["internal"] is True and list(SERVICES["valkey"]["networks"]) == ["store"]


def test_what_is_mounted_exists() -> None:
    """A missing file would be made as a folder, and the container would start on that."""
    paths = [m["source"] for s in SERVICES.values() for m in s.get("volumes", ()) if m["type"] == "bind"]
    assert paths and [path for path in paths if not Path(path).exists()] == []
    assert all(m.get("read_only") for s in SERVICES.values() for m in s.get("volumes", ()) if m["type"] == "bind")


def test_without_a_key_nothing_stands_in_the_way() -> None:
    """Providers' keys are files; where none is named, an empty one. Each has the name that the catalog asks for."""
    assert {secret["file"] for secret in STACK["secrets"].values()} == {"/dev/null"}
    models = catalog.load(ROOT / "policies" / "models.yaml").models.values()
    assert set(STACK["secrets"]) <= {d.api_key_env for model in models for d in model.deployments}
    text = (ROOT / "docker-compose.yml").read_text()
    assert not re.search(r"(PASSWORD|SECRET|TOKEN|API_KEY)\w*: *[\"']?\w", text)


def test_the_simulated_ones_run_only_where_asked_for() -> None:
    """And share one loopback, the only address on which simulated models listen."""
    assert {name for name, s in SERVICES.items() if s.get("profiles")} == {"simulated", "models", "agents"}
    assert SERVICES["models"]["network_mode"] == SERVICES["agents"]["network_mode"] == "service:simulated"


def test_the_simulated_catalog_is_fresh() -> None:
    """It is what the script makes of the catalog now: run `python -m scripts.simulated`."""
    assert simulated.fresh()


def test_the_keys_are_made_once(tmp_path: Path) -> None:
    """The script of the container, run for real: one key for callers and one that may read metrics and nothing else,
    readable by whom they are for, and kept when it runs again."""
    state, metrics = tmp_path / "state", tmp_path / "metrics"
    state.mkdir()
    metrics.mkdir()
    script = SERVICES["keys"]["command"][0].replace("$$", "$")
    script = script.replace("/var/lib/turnout-metrics", str(metrics)).replace("/var/lib/turnout", str(state))
    path = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    made = []
    for _ in range(2):
        done = subprocess.run(["/bin/sh", "-euc", script], env=path, capture_output=True, timeout=50)
        assert done.returncode == 0, done.stderr.decode()
        made.append(((state / "agents.key").read_text(), (metrics / "metrics.key").read_text()))
    assert made[0] == made[1] and all(key.strip() for key in made[0])
    assert (state / "agents.key").stat().st_mode & 0o077 == 0 and (metrics / "metrics.key").stat().st_mode & 0o004
    scopes = {k["name"]: k.get("scopes") for k in json.loads((state / "keys.json").read_text())["keys"]}
    assert scopes["prometheus"] == ["metrics"] and scopes["agents"] is None  # which is to call and to judge


def test_the_image_is_written_well() -> None:
    """Hadolint finds nothing in it."""
    done = subprocess.run([str(BIN / "hadolint"), str(ROOT / "Dockerfile")], capture_output=True, timeout=50)
    assert done.returncode == 0, done.stdout.decode()


def test_grafana_reads_from_prometheus() -> None:
    """By the address that Prometheus has in the stack."""
    path = ROOT / "deploy" / "grafana" / "provisioning" / "datasources" / "prometheus.yml"
    (source,) = yaml.safe_load(path.read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090" and "prometheus" in SERVICES
