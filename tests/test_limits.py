"""Callers' keys and quotas."""

from __future__ import annotations

import pytest

from router.errors import Forbidden, RateLimited, Unauthorized
from router.limits import ANONYMOUS, Keys, Quota

KEYS = Keys(("sk-one", "schlüssel à"))


def as_sent(text: str) -> str:
    """A header's value as the server hands it on: its bytes read as Latin-1."""
    return text.encode().decode("latin-1")


def test_without_keys_everybody_is_one_local_caller() -> None:
    """Whatever they send."""
    assert Keys(()).identify({}) == Keys(()).identify({"authorization": "Bearer x"}) == ANONYMOUS


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
    assert KEYS.identify(headers) == KEYS.identify({"x-api-key": "sk-one"})


def test_a_key_may_hold_any_characters() -> None:
    """The last byte of `à` is a Latin-1 space, which is no space here."""
    found = KEYS.identify({"authorization": f"Bearer {as_sent('schlüssel à')}"})
    assert found not in (ANONYMOUS, KEYS.identify({"x-api-key": "sk-one"}))
    assert Keys(("k\udcff",)).identify({"x-api-key": "k\xff"})  # a byte of the environment that is no UTF-8


@pytest.mark.parametrize("key", ["sk-on", "sk-one1", "SK-ONE", "sk-\u20ac", as_sent("schlüssel")])
def test_a_wrong_key_is_refused_and_not_repeated(key: str) -> None:
    """The message says what to do, never what was sent."""
    with pytest.raises(Unauthorized) as caught:
        KEYS.identify({"authorization": f"Bearer {key}"})
    assert caught.value.code == "invalid_api_key" and key not in caught.value.message


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer"}, {"authorization": "Bearer  "}, {"x-api-key": ""}])
def test_no_key_is_told_apart_from_a_wrong_one(headers: dict[str, str]) -> None:
    """The message says how to send one."""
    with pytest.raises(Unauthorized, match="Authorization: Bearer KEY") as caught:
        KEYS.identify(headers)
    assert caught.value.code == "missing_api_key"


def test_a_bearer_token_goes_before_x_api_key() -> None:
    """A wrong one is not made good by the other."""
    with pytest.raises(Unauthorized):
        KEYS.identify({"authorization": "Bearer no", "x-api-key": "sk-one"})


def test_nothing_of_a_key_is_kept_or_given_out() -> None:
    """The id is a short hash; it ends up in records and logs."""
    assert "sk-one" not in repr(vars(KEYS))
    assert len(KEYS.identify({"x-api-key": "sk-one"})) == 16


def test_a_quota_is_spent_by_each_key_and_comes_back_with_time() -> None:
    """A minute's worth at once, then one every so often; the message says when."""
    now = 0.0
    quota = Quota(6, lambda: now)
    for _ in range(6):
        quota.take("one")
    with pytest.raises(RateLimited, match="6 of these a minute") as caught:
        quota.take("one")
    assert caught.value.retry_after == pytest.approx(10.0)
    quota.take("two")
    now = 9.0
    with pytest.raises(RateLimited) as caught:
        quota.take("one")
    assert caught.value.retry_after == pytest.approx(1.0)
    now = 10.1
    quota.take("one")
    with pytest.raises(RateLimited):
        quota.take("one")
    now = 1e6
    for _ in range(6):
        quota.take("one")
    with pytest.raises(RateLimited):
        quota.take("one")


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
        assert Keys(()).identify(headers) == ANONYMOUS
    else:
        with pytest.raises(Forbidden) as caught:
            Keys(()).identify(headers)
        assert (caught.value.status, caught.value.code) == (403, code)
    assert Keys(("k",)).identify({**headers, "authorization": "Bearer k"}) != ANONYMOUS
