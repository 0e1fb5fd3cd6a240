"""A stream of chunks told as the events of a message."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import UpstreamFault
from router.wire import sse
from router.wire.anthropic import answer
from router.wire.anthropic.request import Asked
from router.wire.anthropic.stream import PING, QUIET, Telling
from tests.answers import completion
from tests.wire.streams import DONE, call, chunk, event

USAGE = {"prompt_tokens": 9, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}}
LAST = event({"choices": [], "usage": USAGE})
SHOWN = Asked(b"", show_thinking=True)


def tell(*blocks: bytes, asked: Asked = SHOWN) -> list[dict[str, Any]]:
    """The events told of blocks, each of them named as its data says."""
    telling = Telling(asked, "msg_1")
    return parse(b"".join([*(telling.feed(block) for block in blocks), telling.end()]))


def parse(told: bytes) -> list[dict[str, Any]]:
    events = []
    for block in sse.blocks(told):
        name, data = block.decode().removesuffix("\n\n").split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    return events


def gather(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The message that the events make up; they must come in the order that the dialect demands."""
    assert events[0]["type"] == "message_start" and events[-1]["type"] == "message_stop"
    assert events[-2]["type"] == "message_delta"
    message: dict[str, Any] = events[0]["message"]
    written: list[str] = []
    open_block = None
    for e in events[1:-2]:
        if e["type"] == "ping":
            continue
        if e["type"] == "content_block_start":
            assert open_block is None and e["index"] == len(message["content"])
            open_block, written = e["index"], []
            message["content"].append(e["content_block"])
            continue
        assert e["index"] == open_block
        block = message["content"][open_block]
        if e["type"] == "content_block_stop":
            if block["type"] == "tool_use":
                block["input"] = json.loads("".join(written) or "{}")
            open_block = None
        elif e["delta"]["type"] == "input_json_delta":
            written.append(e["delta"]["partial_json"])
        elif e["delta"]["type"] == "signature_delta":
            block["signature"] = e["delta"]["signature"]
        else:
            kind = e["delta"]["type"].removesuffix("_delta")
            block[kind] += e["delta"][kind]
    assert open_block is None
    return message | events[-2]["delta"] | {"usage": events[-2]["usage"]}


def test_the_whole_sequence() -> None:
    """Start, ping, each block begun, filled and ended, then the reason with the usage, and the stop."""
    events = tell(
        event(chunk({"role": "assistant", "content": ""}, model="m")),
        event(chunk({"reasoning": "hm"})),
        event(chunk({"content": "Let me"})) + event(chunk({"content": " look."})),
        event(chunk({"tool_calls": [call(0, "", "f", "t1")]})),
        event(chunk({"tool_calls": [call(0, '{"a":')]})),
        event(chunk({"tool_calls": [call(0, "1}")]})),
        event(chunk({}, "tool_calls")) + LAST + DONE,
    )
    assert [(e["type"], e.get("index"), (e.get("delta") or {}).get("type")) for e in events] == [
        ("message_start", None, None),
        ("ping", None, None),
        ("content_block_start", 0, None),
        ("content_block_delta", 0, "thinking_delta"),
        ("content_block_delta", 0, "signature_delta"),
        ("content_block_stop", 0, None),
        ("content_block_start", 1, None),
        ("content_block_delta", 1, "text_delta"),
        ("content_block_stop", 1, None),
        ("content_block_start", 2, None),
        ("content_block_delta", 2, "input_json_delta"),
        ("content_block_delta", 2, "input_json_delta"),
        ("content_block_stop", 2, None),
        ("message_delta", None, None),
        ("message_stop", None, None),
    ]
    assert gather(events) == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": answer.SIGNATURE},
            {"type": "text", "text": "Let me look."},
            {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 5,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 4,
            "output_tokens": 5,
        },
    }


def test_an_answer_with_nothing_in_it() -> None:
    """A message all the same."""
    message = gather(tell(event(chunk({}, "stop"))))
    assert message["content"] == [] and message["stop_reason"] == "end_turn"
    assert gather(tell())["content"] == []


def test_thinking_that_is_not_shown() -> None:
    """Nothing of it is told, but that the server lives."""
    thoughts = [event(chunk({"reasoning_content": "hm"}))] * (2 * QUIET)
    events = tell(*thoughts, event(chunk({"content": "a"}, "stop")), asked=Asked(b""))
    assert [e["type"] for e in events].count("ping") == 3
    message = gather(events)
    assert message["content"] == [{"type": "text", "text": "a"}]
    assert message["usage"]["output_tokens"] == round((4 * QUIET + 1) / 4)


def test_calls_whose_pieces_are_mixed() -> None:
    """Told one after the other: what belongs to the second waits until the first is complete."""
    events = tell(
        event(chunk({"tool_calls": [call(0, '{"a"', "f", "x"), call(1, "{", "g", "y")]})),
        event(chunk({"tool_calls": [call(1, "}"), call(0, ":1}")]})),
        event(chunk({}, "tool_calls")),
    )
    assert [(b["id"], b["input"]) for b in gather(events)["content"]] == [("x", {"a": 1}), ("y", {})]


def test_a_call_that_is_complete_is_told_before_the_next_one_ends() -> None:
    """Agents begin to run it."""
    telling = Telling(SHOWN, "msg_1")
    telling.feed(event(chunk({"tool_calls": [call(0, "{}", "f", "x")]})))
    told = parse(telling.feed(event(chunk({"tool_calls": [call(1, '{"a', "g", "y")]}))))
    assert [e["type"] for e in told] == ["content_block_stop", "content_block_start", "content_block_delta"]


def test_a_call_that_goes_on_after_its_end() -> None:
    """It cannot be told any more: better an error than half a call. Space behind it is nothing."""
    telling = Telling(SHOWN, "msg_1")
    telling.feed(event(chunk({"tool_calls": [call(0, "{}", "f", "x")]})))
    telling.feed(event(chunk({"tool_calls": [call(1, "{}", "g", "y")]})))
    telling.feed(event(chunk({"tool_calls": [call(0, "\n")]})))
    with pytest.raises(UpstreamFault) as caught:
        telling.feed(event(chunk({"tool_calls": [call(0, "{}")]})))
    assert caught.value.kind == "invalid_body"


def test_arguments_that_are_no_json() -> None:
    """They are passed on as they come, and the message ends."""
    events = tell(event(chunk({"tool_calls": [call(0, '{"a', "f", "x")]})), event(chunk({}, "length")))
    assert events[-2]["delta"]["stop_reason"] == "max_tokens"
    assert [e["delta"]["partial_json"] for e in events if e["type"] == "content_block_delta"] == ['{"a']


def test_calls_without_index_are_told_apart_by_their_ids() -> None:
    """And a piece without either belongs to the last."""
    events = tell(
        event(chunk({"tool_calls": [call(None, "{", "f", "x")]})),
        event(chunk({"tool_calls": [call(None, "}")]})),
        event(chunk({"tool_calls": [call(None, "{}", "g", "y")]})),
        event(chunk({"tool_calls": [call(None, "", None, "y")]}, "tool_calls")),
    )
    assert [(b["id"], b["name"]) for b in gather(events)["content"]] == [("x", "f"), ("y", "g")]


def test_older_and_other_ways_of_calling() -> None:
    """`function_call`, custom tools, a call without a name."""
    old = tell(event(chunk({"function_call": {"name": "f", "arguments": "{}"}}, "function_call")))
    assert gather(old)["content"] == [{"type": "tool_use", "id": "toolu_1_0", "name": "f", "input": {}}]
    custom = tell(event(chunk({"tool_calls": [{"index": 0, "id": "x", "custom": {"name": "c", "input": "{}"}}]})))
    assert gather(custom)["content"][0]["name"] == "c"
    assert gather(tell(event(chunk({"tool_calls": [{"index": 0, "id": "x"}]}))))["content"][0]["name"] == ""


def test_a_choice_without_a_delta() -> None:
    """It may still say why the answer ended."""
    last = {"choices": [{"index": 0, "finish_reason": "length"}]}
    assert gather(tell(event(chunk({"content": "a"})), event(last)))["stop_reason"] == "max_tokens"


def test_a_refusal_and_a_second_choice() -> None:
    """The first says so in the reason; of the second nothing is told."""
    events = tell(event(chunk({"content": "other"}, index=1)), event(chunk({"refusal": "No."}, "stop")))
    message = gather(events)
    assert message["content"] == [{"type": "text", "text": "No."}] and message["stop_reason"] == "refusal"


def test_a_stop_sequence_that_was_met() -> None:
    """Where the upstream names it."""
    last = chunk({}, "stop")
    last["choices"][0]["stop_reason"] = "END"
    told = tell(event(chunk({"content": "a"})), event(last), asked=Asked(b"", stops=("END",)))[-2]["delta"]
    assert told == {"stop_reason": "stop_sequence", "stop_sequence": "END"}


def test_a_ping() -> None:
    """As Anthropic's servers send them."""
    assert parse(PING) == [{"type": "ping"}]


texts = st.text(min_size=1, max_size=8)
calls = st.lists(st.dictionaries(texts, st.one_of(texts, st.integers(), st.none()), max_size=3), max_size=3)


def cut(text: str, draw: Any) -> list[str]:
    at = draw(st.integers(0, len(text)))
    return [piece for piece in (text[:at], text[at:]) if piece]


@given(
    st.text(max_size=12),
    st.text(max_size=12),
    calls,
    st.sampled_from(["stop", "length", "tool_calls"]),
    st.booleans(),
    st.data(),
)
def test_a_stream_tells_what_a_whole_answer_tells(
    thought: str, said: str, arguments: list[dict[str, Any]], finish: str, shown: bool, data: Any
) -> None:
    """However it is cut into chunks and blocks, and whichever call's pieces come between another's."""
    encoded = [json.dumps(a, ensure_ascii=False) for a in arguments]
    asked = Asked(b"", show_thinking=shown)
    deltas: list[dict[str, Any]] = [{"reasoning": piece} for piece in cut(thought, data.draw)]
    deltas += [{"content": piece} for piece in cut(said, data.draw)]
    pieces = {i: cut(text, data.draw) for i, text in enumerate(encoded)}
    begun = data.draw(st.booleans())
    if begun:  # all calls begin at once, and their pieces are mixed
        deltas += [{"tool_calls": [call(i, "", "f", f"t{i}")]} for i in pieces]
        order = data.draw(st.permutations([i for i, cuts in pieces.items() for _ in cuts]))
        deltas += [{"tool_calls": [call(i, pieces[i].pop(0))]} for i in order]
    else:
        for i, cuts in pieces.items():
            deltas += [{"tool_calls": [call(i, "", "f", f"t{i}")]}, *({"tool_calls": [call(i, c)]} for c in cuts)]
    stream = b"".join([*(event(chunk(d, model="m")) for d in deltas), event(chunk({}, finish)), LAST, DONE])
    at = data.draw(st.integers(0, len(stream)))
    splitter = sse.Splitter()
    told = gather(tell(*filter(None, (splitter.feed(stream[:at]), splitter.feed(stream[at:]))), asked=asked))
    made = [{"id": f"t{i}", "function": {"name": "f", "arguments": text}} for i, text in enumerate(encoded)]
    message = {"content": said, "reasoning": thought, "tool_calls": made}
    body = completion(choices=[{"index": 0, "message": message, "finish_reason": finish}], usage=USAGE)
    whole = json.loads(answer.from_chat(body, asked, "msg_1"))
    assert told == whole | {"model": told["model"]}
