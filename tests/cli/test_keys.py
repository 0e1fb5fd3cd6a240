"""`turnout keys`: made once, shown once, listed without secrets, taken back while the server runs."""

from __future__ import annotations

import json
import stat
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from router.cli.keys import app
from tests.cli.conftest import Command
from tests.clients.running import PATIENCE_S, free_port, serving, turnout

OPTIONS = (
    "--scope call --scope metrics --per-minute 60 --concurrency 4 --usd-per-day 5 --usd-per-month 50 --max-cost 0.05 "
    "--policy default --model qwen3.5-122b --license Apache-2.0 --days 90 --trusted"
)


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "state" / "keys.json")


def test_a_key_is_shown_once_and_listed_without_it(command: Command, file: str) -> None:
    """`create` prints the key and nothing else, for scripts; `list` and the file never hold it."""
    made = command("keys", "create", "agent", *OPTIONS.split(), "--keys-file", file)
    key = made.out.strip()
    assert made.status == 0 and key.startswith("sk-turnout-") and made.out == f"{key}\n"
    assert "not shown again" in made.err and key not in made.err
    listed = command("keys", "list", "--keys-file", file)
    assert "agent  " in listed.out and "scopes=call,metrics" in listed.out and "usd_per_day=5.0" in listed.out
    assert "models=qwen3.5-122b" in listed.out
    (one,) = json.loads(command("keys", "list", "--json", "--keys-file", file).out)
    assert one["models"] == ["qwen3.5-122b"] and one["trusted"] is True and "sha256" not in one
    secret = key.removeprefix("sk-turnout-")
    assert secret not in listed.out + json.dumps(one) + Path(file).read_text()
    assert stat.S_IMODE(Path(file).stat().st_mode) == 0o600


def test_a_key_is_revoked_by_name_or_id(command: Command, file: str) -> None:
    """The others stay; what is not there is named, with what is."""
    ids = {}
    for name in ("one", "two", "three"):
        ids[name] = json.loads(command("keys", "create", name, "--json", "--keys-file", file).out)["id"]
    assert command("keys", "revoke", "one", "--keys-file", file).status == 0
    assert command("keys", "revoke", ids["two"], "--keys-file", file).status == 0
    done = command("keys", "revoke", "one", "--keys-file", file)
    assert done.status == 2 and done.err.endswith("has no key one; it has: three\n")
    command("keys", "revoke", "three", "--keys-file", file)
    assert "Make one: turnout keys create NAME" in command("keys", "list", "--keys-file", file).err
    assert command("keys", "revoke", "one", "--keys-file", file).err.endswith("it has: none\n")


def test_the_file_follows_the_settings(command: Command, tmp_path: Path) -> None:
    """The option, the file's own variable, the state folder's, then the user's own state folder."""
    places = {
        "a": {"TURNOUT_KEYS_FILE": str(tmp_path / "a" / "keys.json"), "TURNOUT_STATE_DIR": str(tmp_path / "x")},
        "b": {"TURNOUT_KEYS_FILE": "", "TURNOUT_STATE_DIR": str(tmp_path / "b")},
        "c/turnout": {"TURNOUT_STATE_DIR": "", "XDG_STATE_HOME": str(tmp_path / "c")},
    }
    for where, env in places.items():
        assert command("keys", "create", "agent", **env).status == 0
        assert (tmp_path / where / "keys.json").is_file() and not (tmp_path / "x").exists()
    done = command("keys", "list", TURNOUT_STATE_DIR="", XDG_STATE_HOME="", HOME="")
    assert done.status == 2 and "say --keys-file" in done.err


WRONG = [
    (["create", "a b"], "keys create"),
    (["create", "a", "--scope", "root"], "scopes"),
    (["create", "a", "--per-minute", "0"], "per_minute"),
    (["create", "a", "--usd-per-day", "nan"], "usd_per_day"),
    (["create", "a", "--policy", "../x"], "policies"),
    (["create", "a", "--days", "0"], "--days"),
    (["create", "taken"], "there is a key called taken already; revoke it first"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG)
def test_what_is_wrong_is_said_in_a_line(command: Command, file: str, arguments: list[str], words: str) -> None:
    """Status 2; the file stays as it was."""
    command("keys", "create", "taken", "--keys-file", file)
    before = Path(file).read_bytes()
    done = command("keys", *arguments, "--keys-file", file)
    assert done.status == 2 and words in done.err and done.out == ""
    assert Path(file).read_bytes() == before


def test_a_revocation_needs_a_file(command: Command, file: str) -> None:
    """A typo in the path must not pass for success."""
    done = command("keys", "revoke", "a", "--keys-file", file)
    assert done.status == 2 and "does not exist" in done.err and not Path(file).exists()
    assert app.registered_commands


def status(url: str, key: str) -> int:
    try:
        with urlopen(Request(url, headers={"authorization": f"Bearer {key}"}), timeout=PATIENCE_S) as got:
            code: int = got.status
            return code
    except HTTPError as error:
        return error.code


def test_a_server_with_keys_and_a_port_of_administration(own: Path, tmp_path: Path) -> None:
    """As a newcomer does it: the server finds the keys by itself, heeds a new one, and has metrics apart."""
    state, port = tmp_path / "state", free_port()
    env = {"TURNOUT_STATE_DIR": str(state), "TURNOUT_ADMIN_PORT": str(port)}
    agent = turnout("keys", "create", "agent", **env).stdout.strip()
    with serving(own, tmp_path / "log", **env, TURNOUT_RELOAD_INTERVAL="0.05") as server:
        inside = f"http://127.0.0.1:{port}"
        assert "1 API key(s) may call it." in server.said()
        assert f"Metrics and administration are at 127.0.0.1:{port} alone." in server.said()
        assert server.get("/v1/models")[0] == 401 and status(f"{server.url}/v1/models", agent) == 200
        scraper = turnout("keys", "create", "prometheus", "--scope", "metrics", **env).stdout.strip()
        limit = time.monotonic() + PATIENCE_S
        while status(f"{inside}/metrics", scraper) != 200:
            assert time.monotonic() < limit, server.said()
            time.sleep(0.05)
        assert status(f"{server.url}/metrics", scraper) == 404
        assert status(f"{inside}/metrics", agent) == 403 and status(f"{inside}/v1/models", agent) == 404
        assert status(f"{inside}/v1/chat/completions", agent) == 404 and status(f"{inside}/readyz", "") == 200
        assert agent not in server.said() and scraper not in server.said()
