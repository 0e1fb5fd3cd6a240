"""Settings from the environment: every type, every refusal, and what must never be printed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from router import settings
from router.errors import ConfigError
from router.settings import PREFIX, Settings, from_environment, shipped_dir

FIELDS = [f for f in Settings.__dataclass_fields__ if f != "environment"]


def test_an_empty_environment_gives_the_defaults() -> None:
    """Nothing has to be set."""
    assert from_environment({"PATH": "/bin"}) == Settings(environment={"PATH": "/bin"})


READ: list[tuple[str, str, Any]] = [
    ("HOST", "0.0.0.0", "0.0.0.0"),
    ("PORT", "0", 0),
    ("PORT", "65535", 65_535),
    ("CATALOG", "/etc/turnout/m.yaml", Path("/etc/turnout/m.yaml")),
    ("POLICIES", "pol", Path("pol")),
    ("POLICY", "cost-first", "cost-first"),
    ("API_KEYS", "a", ("a",)),
    ("API_KEYS", " a, b ,,", ("a", "b")),
    ("MAX_BODY_BYTES", "1", 1),
    ("CONNECT_TIMEOUT", "0.25", 0.25),
    ("STEP_TTL", "1e3", 1000.0),
    ("RELOAD_INTERVAL", "0", 0.0),
    ("STATE_DIR", "/var/lib/turnout", Path("/var/lib/turnout")),
    ("JOURNAL", "off", "off"),
    ("JOURNAL_FSYNC", "always", "always"),
    ("JOURNAL_KEEP_BYTES", "0", 0),
    ("JOURNAL_TEXT", "0", 0),
]


@pytest.mark.parametrize(("name", "text", "value"), READ)
def test_a_variable_sets_its_field(name: str, text: str, value: Any) -> None:
    """`TURNOUT_` and the field in capitals, read as the field's type."""
    found = getattr(from_environment({PREFIX + name: text}), name.lower())
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize("field", FIELDS)
def test_an_empty_variable_is_not_set(field: str) -> None:
    """Compose files pass `${X:-}` on as an empty string."""
    for text in ("", "  "):
        found = from_environment({f"{PREFIX}{field.upper()}": text})
        assert getattr(found, field) == getattr(Settings(), field)


REFUSED = [
    ("PORT", "http", "whole number"),
    ("PORT", "1.5", "whole number"),
    ("PORT", "65536", "from 0 to 65535"),
    ("PORT", "-1", "from 0 to 65535"),
    ("PORT", "9" * 5000, "whole number"),
    ("CONNECT_TIMEOUT", "soon", "must be a number"),
    ("CONNECT_TIMEOUT", "nan", "from 0.001"),
    ("CONNECT_TIMEOUT", "inf", "from 0.001"),
    ("IDLE_TIMEOUT", "0", "from 0.001"),
    ("KEEPALIVE_INTERVAL", "0", "from 0.001"),
    ("KEEPALIVE_INTERVAL", "-5", "from 0.001"),
    ("MAX_BODY_BYTES", "0", "from 0.001"),
    ("RELOAD_INTERVAL", "-1", "from 0 to"),
    ("JOURNAL", "yes", "must be one of auto, on, off, store, not 'yes'"),
    ("JOURNAL_FSYNC", "often", "must be one of always, interval, never"),
    ("JOURNAL_GZIP", "1", "must be one of off, on"),
    ("JOURNAL_SEGMENT_BYTES", "100", "from 4096"),
    ("JOURNAL_TEXT", "1000000", "from 0 to 65536"),
    ("TYPO", "1", "is not a setting. Settings are: TURNOUT_HOST, "),
    ("ENVIRONMENT", "x", "is not a setting"),
    ("host", "x", "is not a setting"),
    ("POLICIES_DIR", "x", "is not a setting"),
]


@pytest.mark.parametrize(("name", "text", "reason"), REFUSED)
def test_a_wrong_variable_is_named(name: str, text: str, reason: str) -> None:
    """A typo must not leave a setting silently at its default, nor a number out of range reach a socket or a loop."""
    with pytest.raises(ConfigError) as caught:
        from_environment({PREFIX + name: text})
    assert str(caught.value).startswith(f"{PREFIX}{name}: ") and reason in str(caught.value)
    assert len(str(caught.value)) < 2000


def test_what_kubernetes_sets_for_a_service_called_turnout_is_no_setting() -> None:
    """It puts these in every container of the namespace, the server's own included."""
    links = {
        "TURNOUT_SERVICE_HOST": "10.0.0.1",
        "TURNOUT_SERVICE_PORT": "80",
        "TURNOUT_SERVICE_PORT_HTTP": "80",
        "TURNOUT_PORT": "tcp://10.0.0.1:80",
        "TURNOUT_PORT_80_TCP": "tcp://10.0.0.1:80",
        "TURNOUT_PORT_80_TCP_ADDR": "10.0.0.1",
        "TURNOUT_METRICS_PORT": "tcp://10.0.0.2:9090",
        "TURNOUT_METRICS_SERVICE_HOST": "10.0.0.2",
    }
    assert from_environment(links) == Settings(environment=links)


def test_no_secret_is_in_the_repr() -> None:
    """Settings end up in logs and tracebacks."""
    found = from_environment({"TURNOUT_API_KEYS": "sk-secret", "UPSTREAM_KEY": "sk-other"})
    assert found.environment["UPSTREAM_KEY"] == "sk-other" and found.api_keys == ("sk-secret",)
    assert "sk-" not in repr(found)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_needs_no_key(host: str) -> None:
    """Nobody else can reach it."""
    Settings(host=host).check_exposure()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.com", "", "localhost.example.com"])
def test_any_other_address_needs_a_key(host: str, tmp_path: Path) -> None:
    """An open proxy would spend the owner's money; what cannot be told to be loopback is not."""
    with pytest.raises(ConfigError, match="TURNOUT_HOST: .*TURNOUT_API_KEYS"):
        Settings(host=host).check_exposure()
    Settings(host=host, api_keys=("k",)).check_exposure()
    with pytest.raises(ConfigError, match="TURNOUT_ADMIN_HOST"):
        Settings(admin_host=host, admin_port=9090).check_exposure()
    Settings(admin_host=host).check_exposure()  # nobody listens there
    keys = tmp_path / "keys.json"
    keys.write_text("{}")
    Settings(host=host, keys_file=keys).check_exposure()
    Settings(host=host, state_dir=tmp_path).check_exposure()


def test_policies_come_from_the_folder_given_else_here_else_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder `policies` without a catalog is somebody else's."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policies").mkdir()
    assert Settings().policies_dir == shipped_dir()
    assert Settings().catalog_path == shipped_dir() / "models.yaml"
    (tmp_path / "policies" / "models.yaml").touch()
    assert Settings().policies_dir == Path("policies")
    assert Settings().catalog_path == Path("policies/models.yaml")
    given = Settings(policies=tmp_path, catalog=tmp_path / "c.yaml")
    assert (given.policies_dir, given.catalog_path) == (tmp_path, tmp_path / "c.yaml")


def test_the_shipped_files_are_in_the_package_or_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`router/shipped` in a wheel, `policies/` in a checkout."""
    package = tmp_path / "router"
    package.mkdir()
    monkeypatch.setattr(settings, "__file__", str(package / "settings.py"))
    assert shipped_dir() == tmp_path / "policies"
    (package / "shipped").mkdir()
    assert shipped_dir() == package / "shipped"


def test_every_setting_is_documented() -> None:
    """With its default, as it would be written."""
    text = (Path(__file__).parents[1] / "docs" / "settings.md").read_text()
    for name in FIELDS:
        row = next((line for line in text.splitlines() if line.startswith(f"| `{PREFIX}{name.upper()}` |")), "")
        assert row, name
        default = Settings.__dataclass_fields__[name].default
        if isinstance(default, int | float):
            assert f"`{default:g}`" in row or f"`{default}`" in row, row
        elif isinstance(default, str):
            assert f"`{default}`" in row, row
    for name in set(re.findall(rf"{PREFIX}[A-Z_]+", text)):
        assert name.removeprefix(PREFIX).lower() in FIELDS, name


HOMES = [
    ({"XDG_STATE_HOME": "/x", "HOME": "/h"}, Path("/x/turnout")),
    ({"XDG_STATE_HOME": "relative", "HOME": "/h"}, Path("/h/.local/state/turnout")),
    ({"XDG_STATE_HOME": "", "HOME": "/h"}, Path("/h/.local/state/turnout")),
    ({"HOME": ""}, None),
    ({}, None),
]


@pytest.mark.parametrize(("environment", "folder"), HOMES)
def test_the_users_own_state_folder(environment: dict[str, str], folder: Path | None) -> None:
    """As the XDG specification places it, where a relative path counts as not set. It is never taken unasked."""
    found = from_environment(environment)
    assert found.user_state_dir == folder and found.state_dir is None and found.journal_dir is None


def test_the_journal_stands_in_the_state_folder() -> None:
    """Beside whatever else outlives the server."""
    assert from_environment({"TURNOUT_STATE_DIR": "/s"}).journal_dir == Path("/s/journal")
