"""Chat requests: what is read, what is refused and how, and what goes out again."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import BadRequest
from router.step import StepRequest
from router.wire import chat

USER = {"role": "user", "content": "Hi"}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "auto", "messages": [USER], **fields}).encode()


def parse(**fields: Any) -> StepRequest:
    return chat.parse(body(**fields))


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


PNG = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAoAAAAHgCAIAAAC6s0uzAAAAAElFTkSuQmCC"

BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"model": 5}, "model", "must be a string"),
    ({"model": None}, "model", "must be a string"),
    ({"model": ""}, "model", "1 to 2048 characters"),
    ({"model": "x" * 2049}, "model", "1 to 2048 characters"),
    ({"max_tokens": 0}, "max_tokens", "from 1 to 10000000"),
    ({"max_tokens": -5}, "max_tokens", "from 1 to 10000000"),
    ({"max_tokens": 10**7 + 1}, "max_tokens", "from 1 to 10000000"),
    ({"max_tokens": "5"}, "max_tokens", "must be a whole number or null"),
    ({"max_tokens": 1.5}, "max_tokens", "must be a whole number or null"),
    ({"max_tokens": True}, "max_tokens", "must be a whole number or null"),
    ({"max_completion_tokens": 0}, "max_completion_tokens", "from 1"),
    ({"n": 0}, "n", "from 1 to 128"),
    ({"n": 129}, "n", "from 1 to 128"),
    ({"stream": "true"}, "stream", "must be true or false or null"),
    ({"stream": 1}, "stream", "must be true or false or null"),
    ({"stream_options": True}, "stream_options", "must be an object or null"),
    ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage", "must be true or false"),
    ({"logprobs": 3}, "logprobs", "must be true or false"),
    ({"response_format": "json"}, "response_format", "must be an object or null"),
    ({"response_format": {}}, "response_format", "lacks type"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "is missing"),
    (
        {"response_format": {"type": "json_schema", "json_schema": {}}},
        "response_format.json_schema.schema",
        "a JSON schema",
    ),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"schema": "x"}}},
        "response_format.json_schema.schema",
        "an object",
    ),
    ({"metadata": "x"}, "metadata", "must be an object or null"),
    ({"turnout": 5}, "turnout", "must be an object or null"),
    ({"turnout": []}, "turnout", "must be an object or null"),
    ({"extra": nested(70)}, "extra", "nested too deeply"),
]


@pytest.mark.parametrize(("fields", "param", "says"), BAD)
def test_bad_input_is_refused_by_name(fields: dict[str, Any], param: str, says: str) -> None:
    """Every wrong member is a 400 that names it and says what would be right."""
    with pytest.raises(BadRequest) as caught:
        parse(**fields)
    assert caught.value.param == param
    assert caught.value.message.startswith(param) and says in caught.value.message


@pytest.mark.parametrize(("text", "param"), [(b'{"messages":[]}', "model"), (b'{"model":"auto"}', "messages")])
def test_model_and_messages_must_be_there(text: bytes, param: str) -> None:
    """A missing one is named."""
    with pytest.raises(BadRequest, match="is missing") as caught:
        chat.parse(text)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_tokens", b"1e999"),
        ("metadata", b'{"turnout.accuracy":1e999}'),
        ("turnout", b'{"a":1e999}'),
        ("n", b"9" * 400),
    ],
)
def test_numbers_out_of_range_are_refused_where_they_are_read(name: str, value: bytes) -> None:
    """JSON has no bound on numbers; Turnout's fields have."""
    with pytest.raises(BadRequest) as caught:
        chat.parse(
            b'{"model":"auto","messages":[{"role":"user","content":"x"}],"' + name.encode() + b'":' + value + b"}"
        )
    assert (caught.value.param or "").startswith(name)


def test_what_is_said_is_read() -> None:
    """Every member that the decision needs."""
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    request = parse(
        stream=True,
        stream_options={"include_usage": True},
        max_tokens=10,
        max_completion_tokens=20,
        n=3,
        logprobs=True,
        tools=[
            TOOL,
            {"function": {"name": "bare"}},
            {"type": "custom", "custom": {"name": "grep"}},
            {"type": "web_search"},
        ],
        tool_choice={"type": "function", "function": {"name": "look"}},
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
        reasoning_effort="low",
        metadata={"turnout.accuracy": "0.9", "team": "x"},
        turnout={"retries": 1},
    )
    assert (request.model, request.stream, request.include_usage, request.n, request.logprobs) == (
        "auto",
        True,
        True,
        3,
        True,
    )
    assert request.max_tokens == 20
    assert request.tools == ("look", "bare", "grep", "web_search")
    assert request.tool_schemas == {"look": b'{"type": "object"}', "bare": b"{}"}
    assert (request.tool_choice, request.thinking) == ("look", "low")
    assert request.schema is not None and json.loads(request.schema) == schema
    assert (request.metadata, request.hints) == ({"turnout.accuracy": "0.9"}, {"retries": 1})


def test_silence_means_the_defaults() -> None:
    """Nulls and absent members ask for nothing."""
    for request in (
        parse(),
        parse(stream=None, n=None, tools=[], tool_choice=None, response_format=None, turnout=None),
    ):
        assert not request.stream and not request.include_usage and not request.logprobs
        assert (request.n, request.max_tokens, request.tools, request.tool_choice) == (1, None, (), None)
        assert (request.schema, request.thinking, request.hints, request.images) == (None, None, None, ())


@pytest.mark.parametrize(
    ("form", "schema"),
    [({"type": "text"}, None), ({"type": "json_object"}, b'{"type":"object"}'), ({"type": "grammar", "x": 1}, None)],
)
def test_response_formats(form: dict[str, Any], schema: bytes | None) -> None:
    """Any JSON object is a schema too; a format that only the upstream knows demands nothing here."""
    assert parse(response_format=form).schema == schema


def sent(request: StepRequest, **thinking: Any) -> Any:
    return json.loads(chat.render(request, "up/model", thinking or None))


def test_turnouts_own_words_do_not_go_out() -> None:
    """The model is the upstream's; hints are gone, other metadata stays, and an emptied one goes."""
    request = parse(turnout={"retries": 1}, metadata={"turnout.accuracy": "0.9", "team": "x"})
    assert sent(request) == {"model": "up/model", "messages": [USER], "metadata": {"team": "x"}}
    assert "metadata" not in sent(parse(metadata={"turnout.accuracy": "0.9"}))
    assert sent(parse(metadata={}))["metadata"] == {}
    assert sent(parse(metadata=None))["metadata"] is None


def test_usage_is_asked_for_only_in_streams() -> None:
    """Injected beside the caller's other options; nothing changes where the caller asked itself."""
    assert sent(parse(stream=True))["stream_options"] == {"include_usage": True}
    assert sent(parse(stream=True, stream_options=None))["stream_options"] == {"include_usage": True}
    options = {"x": 1, "include_usage": False}
    assert sent(parse(stream=True, stream_options=options))["stream_options"] == {"x": 1, "include_usage": True}
    assert "stream_options" not in sent(parse())
    kept = b'{"include_usage" : true}'
    text = b'{"model":"auto","messages":[{"role":"user","content":"x"}],"stream":true,"stream_options":' + kept + b"}"
    assert kept in chat.render(chat.parse(text), "m")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=4), v, max_size=3),
    max_leaves=6,
)
KNOWN = set(StepRequest.__struct_fields__) | {"response_format", "max_completion_tokens", "stream_options", "turnout"}
KNOWN |= {"chat_template_kwargs", "enable_thinking", "reasoning_effort", "reasoning"}
NAMES = st.text(min_size=1, max_size=10).filter(lambda n: n not in KNOWN)


@given(st.dictionaries(NAMES, JSON, max_size=5), st.booleans(), st.booleans(), st.randoms(use_true_random=False))
def test_unknown_fields_go_out_byte_for_byte_and_in_order(
    extra: dict[str, Any], ascii_only: bool, stream: bool, chance: random.Random
) -> None:
    """Spaces, escapes and number forms inside a value are the caller's and stay."""
    fields = {"model": "auto", "messages": [USER], "stream": stream, **extra}
    names = list(fields)
    chance.shuffle(names)
    values = {
        n: json.dumps(fields[n], ensure_ascii=ascii_only, indent=chance.choice((None, 1))).encode() for n in names
    }
    text = b"{" + b",".join(json.dumps(n).encode() + b" : " + values[n] for n in names) + b"}"
    out = msgspec.json.decode(
        chat.render(chat.parse(text), "m", {"enable_thinking": True}), type=dict[str, msgspec.Raw]
    )
    added = ["stream_options"] if stream else []
    assert list(out) == [*names, *added, "enable_thinking"]
    assert all(bytes(out[n]) == values[n] for n in names if n != "model")


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_nothing_but_bad_request(text: bytes) -> None:
    """Whatever comes, it is the caller's mistake in words."""
    with pytest.raises(BadRequest):
        chat.parse(text)


FULL = body(
    messages=[
        {"role": "system", "content": "Sei höflich 🙂"},
        {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": PNG}}]},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "content": 'ok\n"fine"', "tool_call_id": "c1"},
    ],
    tools=[TOOL],
    tool_choice="auto",
    response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
    chat_template_kwargs={"enable_thinking": False},
    reasoning={"effort": "high"},
    metadata={"turnout.accuracy": "0.9"},
    stream=True,
    turnout={"hold": True},
)


@given(
    st.lists(st.tuples(st.integers(0, len(FULL) - 1), st.sampled_from(b'"{}[]:,\\0a\xff\xed')), min_size=1, max_size=3)
)
def test_mutated_bodies_raise_nothing_but_bad_request(changes: list[tuple[int, int]]) -> None:
    """A valid body with a few bytes changed is parsed and rendered, or refused."""
    text = bytearray(FULL)
    for at, byte in changes:
        text[at] = byte
    try:
        request = chat.parse(bytes(text))
    except BadRequest as error:
        assert error.message.endswith(".")
    else:
        assert (
            json.loads(chat.render(request, "m", {"chat_template_kwargs": {"enable_thinking": True}}))["model"] == "m"
        )


@given(st.sampled_from(sorted(json.loads(FULL))), JSON)
def test_members_of_any_type_raise_nothing_but_bad_request(name: str, value: Any) -> None:
    """A valid body with one member replaced by anything."""
    fields = {**json.loads(FULL), name: value}
    try:
        request = chat.parse(json.dumps(fields).encode())
    except BadRequest as error:
        assert error.param is not None and error.param.startswith(name)
    else:
        assert json.loads(chat.render(request, "m", {"reasoning": {"enabled": True}}))["reasoning"]["enabled"] is True
