"""Whose a request is: by its key, and by nothing else."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from router.errors import ConfigError, Forbidden, Unauthorized
from router.keys import LOCAL, SCOPES, Right, Ring, made
from router.keys.file import change

RING = Ring(("sk-one", "schlüssel à"))


def as_sent(text: str) -> str:
    """A header's value as the server hands it on: its bytes read as Latin-1."""
    return text.encode().decode("latin-1")


def test_without_keys_everybody_is_one_local_caller() -> None:
    """Whatever they send."""
    assert Ring(()).identify({}) == Ring(()).identify({"authorization": "Bearer x"}) == LOCAL


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer sk-one"},
        {"authorization": "bearer   sk-one "},
        {"x-api-key": "sk-one"},
        {"authorization": "Basic dXNlcg==", "x-api-key": "sk-one"},
    ],
)
def test_a_key_is_taken_as_bearer_token_or_x_api_key(headers: dict[str, str]) -> None:
    """The second is how Anthropic's clients send theirs."""
    assert RING.identify(headers) == RING.identify({"x-api-key": "sk-one"})


def test_a_key_may_hold_any_characters() -> None:
    """The last byte of `à` is a Latin-1 space, which is no space here."""
    found = RING.identify({"authorization": f"Bearer {as_sent('schlüssel à')}"})
    assert found not in (LOCAL, RING.identify({"x-api-key": "sk-one"}))
    assert Ring(("k\udcff",)).identify({"x-api-key": "k\xff"})  # a byte of the environment that is no UTF-8


@pytest.mark.parametrize("key", ["sk-on", "sk-one1", "SK-ONE", "sk-\u20ac", as_sent("schlüssel")])
def test_a_wrong_key_is_refused_and_not_repeated(key: str) -> None:
    """The message says what to do, never what was sent."""
    with pytest.raises(Unauthorized) as caught:
        RING.identify({"authorization": f"Bearer {key}"})
    assert caught.value.code == "invalid_api_key" and key not in caught.value.message


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer"}, {"authorization": "Bearer  "}, {"x-api-key": ""}])
def test_no_key_is_told_apart_from_a_wrong_one(headers: dict[str, str]) -> None:
    """The message says how to send one."""
    with pytest.raises(Unauthorized, match="Authorization: Bearer KEY") as caught:
        RING.identify(headers)
    assert caught.value.code == "missing_api_key"


def test_a_bearer_token_goes_before_x_api_key() -> None:
    """A wrong one is not made good by the other."""
    with pytest.raises(Unauthorized):
        RING.identify({"authorization": "Bearer no", "x-api-key": "sk-one"})


def test_nothing_of_a_key_is_kept_or_given_out() -> None:
    """The id is a short hash; it ends up in records and logs."""
    assert "sk-one" not in repr(vars(RING))
    assert len(RING.identify({"x-api-key": "sk-one"}).key_id) == 16


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, None),
        ({"host": "127.0.0.1:8080"}, None),
        ({"host": "localhost:8080", "origin": "http://localhost:3000"}, None),
        ({"host": "[::1]:8080", "origin": "http://127.0.0.1"}, None),
        ({"host": "turnout.example:8080"}, "host_not_allowed"),
        ({"host": "127.0.0.1.example"}, "host_not_allowed"),
        ({"host": "[bad"}, "host_not_allowed"),
        ({"host": "127.0.0.1", "origin": "https://page.example"}, "origin_not_allowed"),
        ({"host": "127.0.0.1", "origin": "null"}, "origin_not_allowed"),
    ],
)
def test_without_keys_only_this_machine_may_call(headers: dict[str, str], code: str | None) -> None:
    """A web page, or a name that was pointed here, is refused; with a key anybody may call from anywhere."""
    if code is None:
        assert Ring(()).identify(headers) == LOCAL
    else:
        with pytest.raises(Forbidden) as caught:
            Ring(()).identify(headers)
        assert (caught.value.status, caught.value.code) == (403, code)
    assert Ring(("k",)).identify({**headers, "authorization": "Bearer k"}) != LOCAL


NOW = datetime(2026, 5, 31, 12, tzinfo=UTC)


def ring_of(path: Path, *, now: float = NOW.timestamp(), **rights: object) -> tuple[Ring, dict[str, str]]:
    """A ring over a file of one key, and the headers that show it."""
    key, entry = made("agent", NOW, **rights)
    change(path, lambda entries: (*entries, entry))
    return Ring((), path, now=lambda: now), {"authorization": f"Bearer {key}"}


@pytest.mark.parametrize("scope", SCOPES)
def test_a_key_may_do_what_it_was_made_for(tmp_path: Path, scope: Right) -> None:
    """Nothing else: a 403 names the scope that it lacks."""
    ring, headers = ring_of(tmp_path / "keys.json", scopes=[scope])
    assert ring.identify(headers, scope).name == "agent"
    for other in {*SCOPES} - {scope}:
        with pytest.raises(Forbidden, match=f"lacks the scope '{other}'") as caught:
            ring.identify(headers, other)
        assert caught.value.code == "scope_missing"


def test_keys_of_the_environment_do_not_administer() -> None:
    """They are what agents and Prometheus use; the scope `admin` has to be given by name."""
    assert RING.identify({"x-api-key": "sk-one"}, "metrics") == RING.identify({"x-api-key": "sk-one"}, "outcomes")
    with pytest.raises(Forbidden):
        RING.identify({"x-api-key": "sk-one"}, "admin")


def test_a_key_expires(tmp_path: Path) -> None:
    """To the second, with a word of its own."""
    expires = NOW + timedelta(days=1)
    ring, headers = ring_of(tmp_path / "keys.json", now=expires.timestamp() - 1, expires=expires)
    assert ring.identify(headers)
    late = Ring((), tmp_path / "keys.json", now=expires.timestamp)
    with pytest.raises(Unauthorized) as caught:
        late.identify(headers)
    assert caught.value.code == "expired_api_key"


def test_keys_are_rotated_while_serving(tmp_path: Path) -> None:
    """A new key counts after the next look, a revoked one no longer."""
    path = tmp_path / "keys.json"
    ring, old = ring_of(path)
    assert not ring.refresh()
    key, entry = made("next", NOW)
    change(path, lambda _: (entry,))
    assert ring.refresh() and ring.identify({"x-api-key": key}).name == "next"
    with pytest.raises(Unauthorized):
        ring.identify(old)


def test_the_first_key_shuts_a_server_that_had_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And taking the last one back does not open it again, which the log says."""
    caplog.set_level("INFO", "turnout")
    path = tmp_path / "keys.json"
    ring = Ring((), path)
    assert ring.identify({}) is LOCAL and not ring.keyed
    key, entry = made("first", NOW)
    change(path, lambda _: (entry,))
    assert ring.refresh() and ring.keyed
    with pytest.raises(Unauthorized):
        ring.identify({})
    change(path, lambda _: ())
    assert ring.refresh() and ring.keyed and ring.grants == ()
    assert "no request is let in" in caplog.records[-1].message
    with pytest.raises(Unauthorized):
        ring.identify({"x-api-key": key})


@pytest.mark.parametrize("harm", ["gone", "cut", "open"])
def test_a_file_that_goes_wrong_changes_nothing(tmp_path: Path, harm: str, caplog: pytest.LogCaptureFixture) -> None:
    """The keys read before go on, and the log says once what is wrong: nobody gets in by harming the file."""
    path, refused = tmp_path / "keys.json", []
    _, headers = ring_of(path)
    ring = Ring((), path, refused=lambda: refused.append(harm), now=NOW.timestamp)
    if harm == "gone":
        path.unlink()
    elif harm == "cut":
        path.write_bytes(path.read_bytes()[:-9])
    else:
        path.write_bytes(path.read_bytes() + b"\n")
        path.chmod(0o666)
    assert not ring.refresh() and not ring.refresh()
    assert ring.identify(headers).name == "agent" and ring.keyed
    assert refused == [harm] and len(caplog.records) == 1 and str(path) in caplog.text


def test_a_file_that_the_settings_name_must_be_there(tmp_path: Path) -> None:
    """Else a typo would open the server."""
    with pytest.raises(ConfigError, match="cannot be read"):
        Ring((), tmp_path / "keys.json", needed=True)


async def test_the_file_is_watched(tmp_path: Path) -> None:
    """Without a file, or an interval, nobody looks."""
    path = tmp_path / "keys.json"
    ring, _ = ring_of(path)
    await ring.watch(0)
    await Ring(("k",)).watch(0.001)
    watching = asyncio.create_task(ring.watch(0.005))
    change(path, lambda _: ())
    async with asyncio.timeout(5):
        while ring.grants:  # noqa: ASYNC110 (nothing tells when it has looked)
            await asyncio.sleep(0.005)
    watching.cancel()


def test_a_word_counts_whole_of_a_key_that_is_alone_or_trusted(tmp_path: Path) -> None:
    """Of several, those whose owner says so; of nobody known, not."""
    assert Ring(()).trusts("local") and Ring(("one",)).trusts("any")
    path = tmp_path / "keys.json"
    entries = [made("own", NOW, trusted=True)[1], made("tenant", NOW)[1]]
    change(path, lambda _: tuple(entries))
    ring = Ring((), path)
    assert [ring.trusts(e.key_id) for e in entries] == [True, False] and not ring.trusts("gone")
    assert not Ring(("one", "two")).trusts(RING.identify({"x-api-key": "sk-one"}).key_id)
