"""The file of keys: no key in it, whole at any moment, and nobody else's to write."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from router.errors import ConfigError
from router.keys.file import Entry, change, digest, made, read

NOW = datetime(2026, 5, 31, 12, tzinfo=UTC)
RIGHTS: dict[str, Any] = {
    "scopes": ["call", "metrics"],
    "expires": NOW + timedelta(days=90),
    "per_minute": 60,
    "concurrency": 4,
    "usd_per_day": 5,
    "usd_per_month": 50.5,
    "policies": ["default"],
    "models": ["qwen3.5-122b/on"],
    "license": ["Apache-2.0"],
    "max_cost": 0.01,
    "trusted": True,
}


def test_a_key_is_found_again_by_its_hash_alone(tmp_path: Path) -> None:
    """All its rights come back; the key itself is not in the file, which its owner alone may read."""
    path = tmp_path / "state" / "keys.json"
    key, entry = made("agent", NOW, **RIGHTS)
    change(path, lambda entries: (*entries, entry))
    assert read(path) == (entry,)
    assert key.startswith("sk-turnout-") and len(key) > 50 and key not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    grant = entry.grant
    assert (grant.digest, grant.key_id) == (digest(key), digest(key).hex()[:16])
    assert grant.expires == RIGHTS["expires"].timestamp() and grant.trusted
    assert (grant.per_minute, grant.concurrency, grant.usd_per_day, grant.usd_per_month) == (60, 4, 5.0, 50.5)
    assert grant.policies == {"default"} and grant.models == {"qwen3.5-122b/on"} and grant.license == {"Apache-2.0"}


def test_what_is_left_out_is_not_limited() -> None:
    """A key made with nothing but a name calls and reports outcomes, for ever."""
    grant = made("agent", NOW)[1].grant
    assert grant.scopes == {"call", "outcomes"} and not grant.limited and not grant.trusted
    assert (grant.models, grant.license, grant.max_cost, grant.policies) == (None, None, None, frozenset())


def test_no_two_keys_are_alike() -> None:
    """256 random bits each."""
    assert len({made("agent", NOW)[0] for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("name", "rights"),
    [
        ("", {}),
        ("a b", {}),
        ("a\n", {}),
        ("x" * 65, {}),
        ("a", {"scopes": ["root"]}),
        ("a", {"per_minute": 0}),
        ("a", {"usd_per_day": -1}),
        ("a", {"usd_per_day": float("nan")}),
        ("a", {"max_cost": float("inf")}),
        ("a", {"policies": ["../etc"]}),
        ("a", {"colour": "red"}),
    ],
)
def test_a_key_out_of_bounds_is_not_made(name: str, rights: dict[str, Any]) -> None:
    """The message names what is wrong."""
    with pytest.raises(ConfigError, match="keys create"):
        made(name, NOW, **rights)


GOOD = {"name": "a", "sha256": "0" * 64, "created": "2026-05-31T12:00:00Z"}
WRONG = [
    "",
    "[]",
    '{"version": 2, "keys": []}',
    '{"keys": [{}]}',
    '{"keys": [], "more": 1}',
    json.dumps({"keys": [GOOD | {"sha256": "abc"}]}),
    json.dumps({"keys": [GOOD | {"created": "2026-05-31T12:00:00"}]}),
    json.dumps({"keys": [GOOD | {"per_minuet": 5}]}),
    json.dumps({"keys": [GOOD, GOOD]}),
    '{"keys": ' + "[" * 5000,
    '{"x": ' + '{"x":' * 5000,
    json.dumps({"keys": [GOOD, GOOD | {"sha256": "1" * 64}]}),
]


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_file_is_refused_whole(tmp_path: Path, text: str) -> None:
    """A limit with a typo in its name would be no limit."""
    path = tmp_path / "keys.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=str(path)):
        read(path)
    with pytest.raises(ConfigError):
        change(path, lambda entries: entries)
    assert path.read_text() == text


def test_bytes_that_are_no_text_and_too_many_of_them(tmp_path: Path) -> None:
    """Refused like any other file that is none."""
    path = tmp_path / "keys.json"
    path.write_bytes(b'{"keys": [{"name": "\xff"}]}')
    with pytest.raises(ConfigError, match="is no file of keys"):
        read(path)
    path.write_bytes(b" " * 16_000_001)
    with pytest.raises(ConfigError, match="is larger"):
        read(path)


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    """Whoever writes it makes keys. That others may read hashes of random bits does no harm."""
    path = tmp_path / "keys.json"
    change(path, lambda _: ())
    path.chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        read(path)
    path.chmod(0o644)
    assert read(path) == ()


def test_a_change_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """And nothing beside it but the lock."""
    path = tmp_path / "keys.json"
    change(path, lambda _: (made("agent", NOW)[1],))
    before = path.read_bytes()

    def fail(_: tuple[Entry, ...]) -> tuple[Entry, ...]:
        raise ConfigError("keys", None, "no")

    with pytest.raises(ConfigError):
        change(path, fail)
    assert path.read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} == {"keys.json", ".keys.json.lock"}
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        change(tmp_path / "file" / "keys.json", lambda entries: entries)


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    """A folder in the file's place: the fresh copy goes again."""
    path = tmp_path / "keys.json"
    change(path, lambda _: ())

    def harm(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        path.unlink()
        path.mkdir()
        return entries

    with pytest.raises(ConfigError, match="cannot be written"):
        change(path, harm)
    assert {p.name for p in tmp_path.iterdir()} == {"keys.json", ".keys.json.lock"}


def test_writers_wait_for_each_other(tmp_path: Path) -> None:
    """Of thirty keys made at once none is lost."""
    path = tmp_path / "keys.json"
    entries = [made(f"k{i}", NOW)[1] for i in range(30)]

    def add(entry: Entry) -> None:
        change(path, lambda known: (*known, entry))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, entries))
    assert {e.name for e in read(path)} == {e.name for e in entries}
