"""Streams pass byte for byte, up to and past the commit point, and a failure past it never looks like an end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from tests import answers
from tests.answers import CRLF, DONE, ROLE, STOP, STREAM, USAGE, WORDS, chunked, event
from tests.chaos.table import BREAKS, IDLE_S, Break
from tests.proxy.yard import Got, Yard

ASKED = {"stream_options": {"include_usage": True}}
PLAIN = b"".join(part for part in STREAM if part is not USAGE)


@pytest.mark.parametrize("does", ["good-stream", "one-packet", "length-stream", "gzip-stream", "after-done"])
@pytest.mark.parametrize("asked", [False, True])
async def test_every_event_passes_byte_for_byte(yard: Yard, does: str, asked: bool) -> None:
    """But for the usage chunk, which is asked for upstream in any case and passes only if the caller asked too."""
    proxy = await yard({"cheap": does})
    got = await proxy.chat(stream=True, **(ASKED if asked else {}))
    assert got.status == 200 and got.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert got.body == (b"".join(STREAM) if asked else PLAIN)
    assert proxy.sent()["stream_options"] == {"include_usage": True}
    outcome = await proxy.settled()
    assert (outcome.status, outcome.result, outcome.committed) == (200, "returned", True)
    attempt = outcome.attempts[0]
    assert (attempt.input_tokens, attempt.output_tokens, attempt.estimated) == (9, 4, False)
    assert attempt.finish_reason == "stop" and attempt.first_token_s is not None


@pytest.mark.parametrize(
    ("does", "body"),
    [
        ("crlf", b"".join(part for part in CRLF if b"prompt_tokens" not in part)),
        ("multi-line", b"".join(answers.ANSWERS["multi-line"][1:-1])),
        ("comments", b"".join(answers.ANSWERS["comments"][1:-1])),
        ("emoji-split", ROLE + answers.EMOJI + STOP + DONE),
    ],
)
async def test_line_ends_comments_and_split_characters_pass(yard: Yard, does: str, body: bytes) -> None:
    """Whatever an upstream may write an event stream like is handed on as it is."""
    proxy = await yard({"cheap": does})
    got = await proxy.chat(stream=True)
    parts = [part.partition(b"\r\n")[2][:-2] for part in answers.ANSWERS[does][1:-1]]
    assert got.body == (body if does in ("crlf", "emoji-split") else b"".join(parts))


CALLS = [
    {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": ""}},
    {"index": 0, "function": {"arguments": '{"at":'}},
    {"index": 0, "function": {"arguments": ' "sky"}'}},
]
LOGPROBS = {"content": [{"token": "a", "logprob": -0.250, "bytes": None, "top_logprobs": []}]}


def several(*deltas: tuple[int, dict[str, object], str | None]) -> bytes:
    choices = [{"index": i, "delta": delta, "finish_reason": finish} for i, delta, finish in deltas]
    return b"data: " + json.dumps({"id": "c", "object": "chat.completion.chunk", "choices": choices}).encode() + b"\n\n"


DELTAS = [
    [event({"tool_calls": [call]}) for call in CALLS] + [event({}, "tool_calls")],
    [event({"reasoning": "hm"}), event({"content": "a"}), STOP],
    [event({"reasoning_content": "hm"}), event({"content": "a"}), event({}, "length")],
    [event({"refusal": "No."}), STOP],
    [event({"content": "a"}, "stop", usage=None, odd={"x": 1.50})],
    [several((0, {"content": "a"}, None), (1, {"content": "b"}, "stop")), several((0, {}, "stop"))],
    [
        several((0, {"content": "a"}, None)).replace(
            b'"delta"', b'"logprobs": %b, "delta"' % json.dumps(LOGPROBS).encode()
        ),
        STOP,
    ],
    [event({"function_call": {"name": "look", "arguments": "{}"}}), event({}, "function_call")],
]


@pytest.mark.parametrize("events", DELTAS)
async def test_any_kind_of_delta_passes_and_commits(
    yard: Yard, answer: Callable[..., str], events: list[bytes]
) -> None:
    """Tool calls, reasoning in both spellings, refusals, several choices, logprobs, every finish reason."""
    proxy = await yard({"cheap": answer(*chunked(ROLE, *events, DONE))})
    got = await proxy.chat(stream=True, n=2 if events is DELTAS[5] else 1)
    assert got.body == ROLE + b"".join(events) + DONE
    assert (await proxy.settled()).result == "returned"


async def test_nothing_leaves_before_the_commit_point(yard: Yard, answer: Callable[..., str]) -> None:
    """Role-only chunks are held back with the headers, so that a failure behind them can still be mended."""
    proxy = await yard({"cheap": answer(*chunked(ROLE, ROLE, end=False)), "dear": "good-stream"}, idle_timeout=0.3)
    got = await proxy.chat(stream=True)
    assert got.body == PLAIN and got.headers["x-turnout-model"] == "dear/off"
    outcome = await proxy.settled()
    assert [(a.arm, a.fault) for a in outcome.attempts] == [("cheap/off", "timeout"), ("dear/off", None)]


async def test_an_event_is_handed_on_before_the_next_has_come(yard: Yard) -> None:
    """Nothing waits for more once the stream has begun."""
    proxy = await yard({"cheap": "silent-mid"})
    reader, writer = await proxy.connect(stream=True)
    async with asyncio.timeout(2):
        head = await reader.readuntil(b"\r\n\r\n")
        block = await reader.readuntil(WORDS[0])
    assert head.startswith(b"HTTP/1.1 200 ") and ROLE + WORDS[0] in block
    writer.close()
    assert (await proxy.settled()).result == "disconnected"


def told(got: Got, before: bytes) -> dict[str, object]:
    """The error event that ends a stream behind `before`; exactly one, and nothing after it, no [DONE] least of all."""
    assert got.status == 200 and got.body.startswith(before)
    events = got.events
    assert b"".join(events[:-1]) == before and b"[DONE]" not in got.body
    body: dict[str, dict[str, object]] = json.loads(events[-1].removeprefix(b"data: "))
    assert set(body) == {"error"} and set(body["error"]) == {"message", "type", "param", "code"}
    return body["error"]


@pytest.mark.parametrize("client", ["native", "aiohttp"])
@pytest.mark.parametrize("way", BREAKS, ids=[way.does for way in BREAKS])
async def test_a_failure_past_the_commit_point_is_told(yard: Yard, way: Break, client: str) -> None:
    """One error event ends the stream, the connection is closed within a second, the fault is recorded, and no other
    attempt begins."""
    proxy = await yard({"cheap": [way.does, "good-stream"], "dear": "good-stream"}, idle_timeout=IDLE_S, client=client)
    async with asyncio.timeout(IDLE_S + 1.0):
        got = await proxy.chat(stream=True)
    error = told(got, ROLE + b"".join(WORDS[: 3 if way.does == "no-finish" else 1]))
    assert (error["type"], error["code"]) == ("server_error", "upstream_error")
    outcome = await proxy.settled()
    assert (outcome.status, outcome.result, outcome.committed, outcome.error) == (502, "error", True, "upstream_error")
    assert [a.fault in way.kinds for a in outcome.attempts] == [True]
    assert proxy.asked == [way.does]
    if way.does not in ("no-finish", "early-done"):  # as HTTP those are whole, and the connection is kept
        await proxy.upstream.until(lambda: proxy.upstream.open == 0, 1.0)


@pytest.mark.parametrize("together", [False, True])
async def test_an_upstreams_own_error_past_the_commit_point(
    yard: Yard, answer: Callable[..., str], together: bool
) -> None:
    """Its words stay here, ours go out, also where it came in one packet with content behind the commit point."""
    failed = b"data: " + answers.ERROR + b"\n\n"
    parts = (WORDS[1] + failed, DONE) if together else (WORDS[1], failed, DONE)
    proxy = await yard({"cheap": answer(*chunked(ROLE, WORDS[0], *parts)), "dear": "good-stream"})
    got = await proxy.chat(stream=True)
    error = told(got, ROLE + WORDS[0] + WORDS[1])
    assert error["code"] == "upstream_error" and b"engine" not in got.body
    outcome = await proxy.settled()
    assert [a.fault for a in outcome.attempts] == ["error_object"]


async def test_one_choice_of_two_that_ends_is_no_end(yard: Yard, answer: Callable[..., str]) -> None:
    """With n = 2, a stream that breaks off after the first finish reason is told of."""
    parts = (several((0, {"content": "a"}, None), (1, {"content": "b"}, None)), several((0, {}, "stop")))
    proxy = await yard({"cheap": answer(*chunked(*parts))})
    error = told(await proxy.chat(stream=True, n=2), b"".join(parts))
    assert error["code"] == "upstream_error"
    assert (await proxy.settled()).attempts[0].fault == "truncated"


async def test_a_stream_without_done_is_whole_by_its_finish_reason(yard: Yard, answer: Callable[..., str]) -> None:
    """Some servers send no [DONE]; their end is no failure."""
    proxy = await yard({"cheap": answer(*chunked(ROLE, WORDS[0], STOP))})
    got = await proxy.chat(stream=True)
    assert got.body == ROLE + WORDS[0] + STOP
    assert (await proxy.settled()).status == 200


async def test_a_last_event_without_a_blank_line_passes(yard: Yard, answer: Callable[..., str]) -> None:
    """The bytes at the very end are not lost."""
    proxy = await yard({"cheap": answer(*chunked(ROLE, WORDS[0], STOP, DONE.strip()))})
    got = await proxy.chat(stream=True)
    assert got.body == ROLE + WORDS[0] + STOP + DONE.strip()


@pytest.mark.parametrize("asked", [False, True])
async def test_an_empty_stream_ends_before_the_commit_point(
    yard: Yard, answer: Callable[..., str], asked: bool
) -> None:
    """Judged as a whole answer is; with nothing to follow it goes out marked, usage only if it was asked for."""
    proxy = await yard({"cheap": answer(*chunked(ROLE, STOP, USAGE, DONE))})
    got = await proxy.chat(stream=True, **(ASKED if asked else {}))
    assert (got.status, got.headers["x-turnout-rejected"]) == (200, "true")
    *body, comment, done = got.events
    assert body == ([ROLE, STOP, USAGE] if asked else [ROLE, STOP])
    assert comment.startswith(b": turnout model=cheap/off attempts=1 ") and done == DONE
    attempt = (await proxy.settled()).attempts[0]
    assert not attempt.accepted and not attempt.estimated and attempt.output_tokens == 4


async def test_an_empty_stream_is_nobodys_business_without_checks(yard: Yard) -> None:
    """`verify: none` means that no answer is refused, streamed or not."""
    proxy = await yard({"cheap": "empty-stream"})
    got = await proxy.chat(stream=True, turnout={"verify": "none"})
    assert got.status == 200 and "x-turnout-rejected" not in got.headers
    assert (await proxy.settled()).result == "returned"


async def test_a_stream_that_outlasts_its_deadline_is_told(yard: Yard) -> None:
    """The deadline holds past the commit point too, without blame for the upstream."""
    proxy = await yard({"cheap": ["silent-mid", "good-stream"]})
    error = told(await proxy.chat(stream=True, turnout={"deadline": 0.4}), ROLE + WORDS[0])
    assert error["code"] == "deadline_exceeded"
    outcome = await proxy.settled()
    assert (outcome.status, [a.fault for a in outcome.attempts]) == (504, ["deadline"])
