"""The legacy completions dialect, and what becomes of it as a chat completion."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import BadRequest, UpstreamFault
from router.wire import chat, sse
from router.wire.completions import QUIET, Asked, Telling, from_chat, to_chat
from tests.answers import completion
from tests.wire.streams import DONE, chunk, event

PLAIN = Asked(b"")
LOGPROBS = {
    "content": [
        {
            "token": "a",
            "logprob": -0.5,
            "bytes": [97],
            "top_logprobs": [{"token": "a", "logprob": -0.5, "bytes": None}],
        },
        {"token": "bc", "logprob": -1, "bytes": None, "top_logprobs": []},
    ]
}


def ask(**fields: Any) -> Asked:
    return to_chat(json.dumps({"model": "auto", "prompt": "Once", **fields}).encode())


@pytest.mark.parametrize("prompt", ["Once", ["Once"]])
def test_a_prompt_is_a_users_message(prompt: Any) -> None:
    """Members that both dialects have pass as they came, unknown ones too."""
    body = ask(prompt=prompt, max_tokens=5, stop=["x"], n=2, best_of=2, seed=7, suffix=None, echo=False).body
    assert json.loads(body) == {
        "model": "auto",
        "max_tokens": 5,
        "stop": ["x"],
        "n": 2,
        "seed": 7,
        "messages": [{"role": "user", "content": "Once"}],
    }
    chat.parse(body)
    assert b'"temperature":0.10' in to_chat(b'{"model": "m", "prompt": "p", "temperature": 0.10}').body


@pytest.mark.parametrize(
    ("logprobs", "expected"), [(0, {"logprobs": True}), (2, {"logprobs": True, "top_logprobs": 2})]
)
def test_logprobs_are_asked_for_in_the_newer_way(logprobs: int, expected: dict[str, Any]) -> None:
    """A flag and a number, where it was a number."""
    body = json.loads(ask(logprobs=logprobs).body)
    assert {name: body[name] for name in ("logprobs", "top_logprobs") if name in body} == expected


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"prompt": None}, "prompt"),
    ({"prompt": 7}, "prompt"),
    ({"prompt": []}, "prompt"),
    ({"prompt": ["a", "b"]}, "prompt"),
    ({"prompt": [1, 2]}, "prompt"),
    ({"prompt": [[1]]}, "prompt"),
    ({"suffix": "end"}, "suffix"),
    ({"best_of": 3}, "best_of"),
    ({"logprobs": 6}, "logprobs"),
    ({"logprobs": True}, "logprobs"),
    ({"logprobs": 1, "echo": True}, "logprobs"),
    ({"echo": "yes"}, "echo"),
    ({"messages": []}, "messages"),
    ({"tools": [{}]}, "tools"),
]


@pytest.mark.parametrize(("fields", "param"), FAULTS, ids=str)
def test_what_cannot_be_met_is_refused_with_the_reason(fields: dict[str, Any], param: str) -> None:
    """By the field's name."""
    with pytest.raises(BadRequest) as caught:
        ask(**fields)
    assert caught.value.param == param and caught.value.message.startswith(param)


def test_a_completion() -> None:
    """The text of each choice; all other members, unknown ones too, as the upstream sent them."""
    choice = {
        "index": 1,
        "message": {"content": "abc", "reasoning": "hm"},
        "finish_reason": "stop",
        "logprobs": LOGPROBS,
    }
    told = json.loads(from_chat(completion(choices=[choice], odd=1), Asked(b"", "Once ")))
    assert told["object"] == "text_completion" and told["id"] == "chatcmpl-1" and told["odd"] == 1
    assert told["choices"] == [
        {
            "text": "Once abc",
            "index": 1,
            "logprobs": {
                "tokens": ["a", "bc"],
                "token_logprobs": [-0.5, -1],
                "top_logprobs": [{"a": -0.5}, {}],
                "text_offset": [0, 1],
            },
            "finish_reason": "stop",
        }
    ]


@pytest.mark.parametrize("logprobs", [None, {"content": None}, {"content": 7}, "x"])
def test_logprobs_that_are_none(logprobs: Any) -> None:
    """Told as null."""
    choice = {"message": {"refusal": "No."}, "logprobs": logprobs}
    (told,) = json.loads(from_chat(completion(choices=[choice]), PLAIN))["choices"]
    assert told == {"text": "No.", "index": 0, "logprobs": None, "finish_reason": None}


@pytest.mark.parametrize("body", [b"[]", b"{", b"{}", b'{"choices": 7}', b'{"choices": [7]}'])
def test_what_is_no_answer(body: bytes) -> None:
    """It is the upstream's fault."""
    with pytest.raises(UpstreamFault):
        from_chat(body, PLAIN)


def tell(*blocks: bytes, asked: Asked = PLAIN) -> list[Any]:
    telling = Telling(asked)
    told = b"".join(map(telling.feed, blocks))
    return [json.loads(data) for data in sse.events(told) if not sse.is_done(data)]


def test_a_stream() -> None:
    """Text piece by piece, the usage, comments and the end; a chunk that only names the role is no piece."""
    usage = {"choices": [], "usage": {"prompt_tokens": 1}}
    last = chunk({}, "stop")
    blocks = (
        b": hi\n\n",
        event(chunk({"role": "assistant"})),
        event(chunk({"content": "a"})),
        event(last),
        event(usage),
        DONE,
    )
    telling = Telling(PLAIN)
    told = [telling.feed(block) for block in blocks]
    assert told[0] == b": hi\n\n" and told[1] == b"" and told[5] == b"" and telling.end() == DONE
    pieces = [json.loads(sse.data(one) or b"") for one in told[2:5]]
    assert [p["object"] for p in pieces] == ["text_completion"] * 3
    assert pieces[0]["choices"] == [{"text": "a", "index": 0, "logprobs": None, "finish_reason": None}]
    assert pieces[1]["choices"][0]["finish_reason"] == "stop"
    assert pieces[2] == usage | {"object": "text_completion"}


def test_thinking_is_not_told() -> None:
    """But that the server lives."""
    telling = Telling(PLAIN)
    told = b"".join([telling.feed(event(chunk({"reasoning": "hm"}))) for _ in range(2 * QUIET)])
    assert told == b": thinking\n\n" * 2


def test_logprobs_of_a_stream_count_on() -> None:
    """Offsets are those in the whole text."""
    piece = chunk({"content": "abc"})
    piece["choices"][0]["logprobs"] = LOGPROBS
    first, second = tell(event(piece), event(piece))
    assert first["choices"][0]["logprobs"]["text_offset"] == [0, 1]
    assert second["choices"][0]["logprobs"]["text_offset"] == [3, 4]


def test_an_echo_begins_every_choice_once() -> None:
    """Also one that has nothing else."""
    events = [event(chunk({"content": t}, index=i)) for i, t in ((0, "a"), (1, "b"), (0, "c"))]
    told = tell(*events, event(chunk({}, "stop", 2)), asked=Asked(b"", "Once "))
    texts = {}
    for piece in told:
        (choice,) = piece["choices"]
        texts[choice["index"]] = texts.get(choice["index"], "") + choice["text"]
    assert texts == {0: "Once ac", 1: "Once b", 2: "Once "}


def test_an_event_that_is_no_chunk() -> None:
    """It is the upstream's fault."""
    with pytest.raises(UpstreamFault):
        tell(b"data: {]\n\n")
    with pytest.raises(UpstreamFault):
        tell(event({"error": {"message": "dead"}}))


@given(st.lists(st.text(max_size=5), max_size=6), st.booleans(), st.sampled_from(["stop", "length"]))
def test_a_stream_tells_what_a_whole_answer_tells(pieces: list[str], echoed: bool, finish: str) -> None:
    """Whatever the pieces."""
    asked = Asked(b"", "Once " if echoed else "")
    told = tell(*(event(chunk({"content": p})) for p in pieces), event(chunk({}, finish)), DONE, asked=asked)
    choice = {"index": 0, "message": {"content": "".join(pieces)}, "finish_reason": finish}
    whole = json.loads(from_chat(completion(choices=[choice]), asked))["choices"][0]
    assert "".join(t["choices"][0]["text"] for t in told) == whole["text"]
    assert told[-1]["choices"][0]["finish_reason"] == whole["finish_reason"]
