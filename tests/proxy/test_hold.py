"""Held streams: read whole, judged, replaced if need be, and then sent as they came."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping

import pytest

from tests import answers, faulty
from tests.answers import DONE, ROLE, STOP, STREAM, USAGE, WORDS, chunked
from tests.proxy.yard import CHEAP_THEN_DEAR, Got, Yard

HELD = {"hold": True}
PLAIN = b"".join(part for part in STREAM if part is not USAGE)
COMMENT = re.compile(
    rb": turnout model=(?P<model>\S+) attempts=(?P<attempts>\d) cost_usd=(?P<cost>\d+\.\d{8})"
    rb"(?P<rejected> rejected=true)?\n\n"
)
WAITING = b": waiting\n\n"


def released(got: Got) -> tuple[bytes, Mapping[str, bytes | None]]:
    """A held stream without our comments, and what the closing one says; it stands before [DONE]."""
    assert got.status == 200
    *events, comment, done = [event for event in got.events if event != WAITING]
    said = COMMENT.fullmatch(comment)
    assert said is not None and done == DONE
    return b"".join(events) + done, said.groupdict()


@pytest.mark.parametrize("asked", [False, True])
async def test_a_held_stream_is_released_verbatim(yard: Yard, asked: bool) -> None:
    """Every byte as it came, usage only if asked for, and the closing comment with what headers could not say."""
    proxy = await yard({"cheap": "good-stream"})
    options = {"stream_options": {"include_usage": True}} if asked else {}
    got = await proxy.chat(stream=True, turnout=HELD, **options)
    body, said = released(got)
    assert body == (b"".join(STREAM) if asked else PLAIN)
    assert said == {"model": b"cheap/off", "attempts": b"1", "cost": b"0.00002500", "rejected": None}
    outcome = await proxy.settled()
    assert (outcome.result, outcome.stream, outcome.committed) == ("accepted", True, True)
    assert [c.passed for c in outcome.attempts[0].checks] == [True] * 3


@pytest.mark.parametrize(
    "does", ["no-finish", "early-done", "reset-mid", "close-mid", "silent-mid", "error-stream", "reset"]
)
async def test_a_held_stream_falls_back_from_any_fault(yard: Yard, does: str) -> None:
    """Nothing has gone out, so what could not be mended in a live stream is mended here."""
    proxy = await yard({"cheap": does, "dear": "good-stream"}, idle_timeout=0.3)
    body, said = released(await proxy.chat(stream=True, turnout=HELD))
    assert body == PLAIN and (said["model"], said["attempts"]) == (b"dear/off", b"2")
    first, second = (await proxy.settled()).attempts
    assert first.fault is not None and second.fault is None and (first.position, second.position) == (0, 0)


async def test_a_rejected_stream_is_replaced(yard: Yard) -> None:
    """The checks see the whole answer, and the next position of the plan takes the step."""
    proxy = await yard({"cheap": "empty-stream", "dear": "good-stream"})
    body, said = released(await proxy.chat(stream=True, turnout=HELD | CHEAP_THEN_DEAR))
    assert body == PLAIN and (said["model"], said["attempts"]) == (b"dear/off", b"2")
    outcome = await proxy.settled()
    assert outcome.result == "accepted" and [a.accepted for a in outcome.attempts] == [False, True]
    assert outcome.cost_usd == pytest.approx(float(said["cost"] or 0), abs=1e-8)


async def test_the_last_stream_goes_out_even_if_rejected(yard: Yard) -> None:
    """Marked so in the comment, and in the headers as they had not left."""
    proxy = await yard({"cheap": "empty-stream", "dear": "empty-stream"})
    got = await proxy.chat(stream=True, turnout=HELD | CHEAP_THEN_DEAR)
    body, said = released(got)
    assert body == ROLE + STOP + DONE and said["rejected"] == b" rejected=true"
    assert got.headers["x-turnout-rejected"] == "true"
    assert (await proxy.settled()).result == "rejected"


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """`slow(seconds, *packets)`: an upstream that answers only after a while; returns the behaviour's name."""

    def add(seconds: float, *packets: bytes) -> str:
        async def act(exchange: faulty.Exchange) -> None:
            await asyncio.sleep(seconds)
            await exchange.send(*packets)

        name = f"slow-{len(faulty.ACTS)}"
        monkeypatch.setitem(faulty.ACTS, name, act)
        return name

    return add


async def test_keep_alive_comments_while_it_is_held(yard: Yard, slow: Callable[..., str]) -> None:
    """The headers leave with the first comment, which clients skip; the rest comes when the answer has passed."""
    proxy = await yard({"cheap": slow(0.4, *chunked(*STREAM))}, keepalive_interval=0.05)
    got = await proxy.chat(stream=True, turnout=HELD)
    assert 2 <= got.events.count(WAITING) <= 12 and got.body.startswith(WAITING)
    body, said = released(got)
    assert body == PLAIN and said["model"] == b"cheap/off"
    assert got.headers["x-turnout-plan"] == "cheap/off" and "x-turnout-cost-usd" not in got.headers


async def test_a_quick_answer_needs_no_comment(yard: Yard) -> None:
    """Nothing is said while nobody waits."""
    proxy = await yard({"cheap": "good-stream"}, keepalive_interval=5.0)
    assert WAITING not in (await proxy.chat(stream=True, turnout=HELD)).events


async def test_an_error_after_the_headers_is_an_event(yard: Yard, slow: Callable[..., str]) -> None:
    """Once a comment has gone out, the failure is told on the stream, and no [DONE] makes it look like an end."""
    proxy = await yard(
        {"cheap": slow(0.3, answers.http(answers.HTML, "500 Oops", "text/html"))}, keepalive_interval=0.05
    )
    got = await proxy.chat(stream=True, turnout=HELD)
    assert got.status == 200 and b"[DONE]" not in got.body
    *comments, error = got.events
    assert set(comments) == {WAITING}
    assert json.loads(error.removeprefix(b"data: "))["error"]["code"] == "upstream_error"
    outcome = await proxy.settled()
    assert (outcome.status, outcome.result, outcome.committed) == (502, "error", False)


async def test_an_error_before_the_headers_is_a_response(yard: Yard) -> None:
    """With its own status."""
    proxy = await yard({"cheap": "html-500"})
    got = await proxy.chat(stream=True, turnout=HELD)
    assert (got.status, got.error["code"]) == (502, "upstream_error")


async def test_a_held_answer_over_the_limit(yard: Yard, answer: Callable[..., str]) -> None:
    """What is held is bounded: too much of it is a fault."""
    long = [ROLE, *[answers.event({"content": "x" * 1000})] * 300, STOP, DONE]
    proxy = await yard({"cheap": answer(b"".join(chunked(*long))), "dear": "good-stream"}, max_answer_bytes=100_000)
    assert released(await proxy.chat(stream=True, turnout=HELD))[1]["model"] == b"dear/off"
    assert [a.fault for a in (await proxy.settled()).attempts] == ["too_large", None]


# policy's `hold`, hints → held or not
AUTO = [
    ("never", {}, False),
    ("always", {}, True),
    ("always", {"hold": False}, False),
    ("auto", {}, False),
    ("auto", {"accuracy": 0.6, "retries": 1}, False),
    ("auto", CHEAP_THEN_DEAR, True),
    ("auto", {"accuracy": 0.88, "retries": 0}, False),
]


@pytest.mark.parametrize(("hold", "hints", "held"), AUTO)
async def test_what_is_held(yard: Yard, hold: str, hints: dict[str, object], held: bool) -> None:
    """`auto` holds exactly where no single attempt is sure enough and retries make the difference."""
    proxy = await yard({"cheap": "good-stream", "dear": "good-stream"}, policy={"hold": hold})
    got = await proxy.chat(stream=True, turnout=hints)
    assert (b": turnout model=" in got.body) == held
    if not held:
        assert " > " not in got.headers["x-turnout-plan"]  # nothing could start its second attempt


@pytest.mark.parametrize(
    ("done", "words"),
    [
        (b"data:[DONE]\n\n", WORDS),
        (DONE, (answers.event({"content": "data: [DONE] "}),)),
        (DONE.replace(b"\n", b"\r\n"), WORDS),
    ],
)
async def test_the_comment_stands_before_done_however_that_is_written(
    yard: Yard, answer: Callable[..., str], done: bytes, words: tuple[bytes, ...]
) -> None:
    """Most clients stop reading there; text that looks like it changes nothing."""
    proxy = await yard({"cheap": answer(*chunked(ROLE, *words, STOP, done))})
    got = await proxy.chat(stream=True, turnout=HELD)
    comment = COMMENT.search(got.body)
    assert comment is not None
    assert got.body == ROLE + b"".join(words) + STOP + comment[0] + done
