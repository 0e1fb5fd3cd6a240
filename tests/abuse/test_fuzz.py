"""Thousands of bodies and headers that nobody would send: each is answered, none with a 5xx, none with a traceback."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.abuse.asking import Desk, Said

CHAT = {
    "model": "auto?accuracy=0.5",
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [
            {"type": "text", "text": "Hi."}, {"type": "image_url", "image_url": {"url": "x"}},
        ]},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        ]},
        {"role": "tool", "tool_call_id": "c", "content": "1"},
    ],
    "stream": False,
    "stream_options": {"include_usage": True},
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}},
    "metadata": {"turnout.accuracy": "0.9"},
    "turnout": {"step": "code", "step_id": "s", "run_id": "r", "attempt": 1, "accuracy": 0.5, "max_cost": 1.0,
                "deadline": 30, "verify": "none", "license": "use", "models": "cheap", "run_retries": 2},
    "max_tokens": 5,
    "n": 1,
    "logprobs": False,
    "reasoning_effort": "low",
    "chat_template_kwargs": {"enable_thinking": False},
}  # fmt: skip
BASES: dict[str, Any] = {
    "/v1/chat/completions": CHAT,
    "/v1/route": CHAT,
    "/v1/outcomes": {"step_id": "s", "success": True, "source": "caller", "reason": "x", "idempotency_key": "k"},
    "/v1/messages": {
        "model": "auto",
        "max_tokens": 5,
        "system": [{"type": "text", "text": "Be kind."}],
        "messages": [
            {"role": "user", "content": "Hi."},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "1"}]},
        ],
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "auto"},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "metadata": {"user_id": "u"},
        "stop_sequences": ["x"],
        "stream": False,
    },
    "/v1/responses": {
        "model": "auto",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "Hi."}]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "1"},
        ],
        "instructions": "Be kind.",
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}],
        "tool_choice": "auto",
        "text": {"format": {"type": "text"}},
        "reasoning": {"effort": "low"},
        "max_output_tokens": 16,
        "metadata": {"turnout.accuracy": "0.9"},
        "store": False,
        "stream": False,
    },
    "/v1/completions": {"model": "auto", "prompt": ["Hi."], "max_tokens": 5, "echo": False, "stop": ["x"]},
    "/v1/embeddings": {"model": "x", "input": ["Hi."], "dimensions": 3, "encoding_format": "float", "user": "u"},
    "/v1/messages/count_tokens": {"model": "auto", "messages": [{"role": "user", "content": "Hi."}]},
}
"""A body that every member of is read, by path; paths that are not served (yet) are left out."""

NAMES = tuple(
    name.encode()
    for name in (
        "x-turnout-accuracy x-turnout-models x-turnout-attempt x-turnout-license x-turnout-deadline x-turnout-x "
        "x-session-id x-request-id content-length content-type x-stainless-retry-count authorization traceparent "
        "anthropic-version"
    ).split()
)
"""Headers that are read."""
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["auto", "dear", "on", "0.5", "none", "\ud800", "\x00", "x" * 3000, "-1", "1e400", "user"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where there is anything in a body."""
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield from places(inner, (*path, key))


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """The body with something else at one place."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = put(value[path[0]], path[1:], new)
    return copy


def written(value: Any) -> bytes:
    """As lax writers write it: NaN and lone surrogates included."""
    return json.dumps(value).encode()


@st.composite
def requests(draw: st.DrawFn, paths: tuple[str, ...]) -> tuple[str, bytes, list[tuple[bytes, bytes]]]:
    """A path, a body and headers."""
    path = draw(st.sampled_from(paths))
    kind = draw(st.sampled_from(("changed", "changed", "more", "torn", "any", "bytes")))
    base = BASES[path]
    if kind in ("changed", "more"):
        for _ in range(draw(st.integers(1, 2))):
            base = put(base, draw(st.sampled_from(list(places(base)))), draw(VALUES))
            if not isinstance(base, dict):
                break
    if kind == "more" and isinstance(base, dict):
        base = {**base, draw(st.text(max_size=9)): draw(VALUES)}
    if kind == "any":
        base = draw(VALUES)
    body = written(base)
    if kind == "torn":
        at, end = sorted(draw(st.tuples(*[st.integers(0, len(body))] * 2)))
        body = body[:at] + draw(st.binary(max_size=6)) + body[end:]
    if kind == "bytes":
        body = draw(st.binary(max_size=60))
    return path, body, draw(st.lists(st.tuples(st.sampled_from(NAMES), st.binary(max_size=12)), max_size=2))


def served(desk: Desk, runner: asyncio.Runner) -> tuple[str, ...]:
    """Those of BASES that there are."""
    described = json.loads(runner.run(desk.ask("GET", "/openapi.json")).body)["paths"]
    return tuple(path for path in BASES if path in described)


def whole(got: Said) -> None:
    """What holds for each answer."""
    assert got.status < 500, (got.status, got.body)
    if got.status >= 400:
        assert got.headers["x-request-id"]
        assert got.headers["content-type"] == "application/json" and got.error["message"]
        assert len(got.body) < 4_000


@pytest.mark.timeout(300)
def test_no_body_and_no_header_is_a_5xx(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Five thousand requests: a 4xx says what is wrong, and each admitted step leaves its one outcome."""
    desk = Desk(tmp_path)
    caplog.set_level(logging.WARNING)
    with asyncio.Runner() as runner:
        paths = served(desk, runner)
        assert {"/v1/chat/completions", "/v1/route", "/v1/outcomes", "/v1/embeddings"} <= set(paths)
        for path in ("/v1/chat/completions", "/v1/embeddings"):  # so that what is changed in them is read
            assert runner.run(desk.ask("POST", path, written(BASES[path]))).status == 200
        desk.outcomes.clear()

        statuses: Counter[int] = Counter()

        @settings(max_examples=5_000, database=None, suppress_health_check=list(HealthCheck))
        @given(requests(paths))
        def ask(request: tuple[str, bytes, list[tuple[bytes, bytes]]]) -> None:
            path, body, headers = request
            before = len(desk.outcomes)
            got = runner.run(desk.ask("POST", path, body, headers))
            whole(got)
            steps = path not in ("/v1/route", "/v1/outcomes", "/v1/messages/count_tokens") and got.status != 413
            assert len(desk.outcomes) - before == steps
            statuses[got.status] += 1
            desk.upstream.calls.clear()
            desk.outcomes.clear()

        ask()
    assert statuses.total() >= 5_000 and min(statuses[200], statuses[400]) > 200, statuses
    assert not [r for r in caplog.records if r.exc_info], caplog.text[:2000]
